/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A piece of rule text and where it stands in its file, so that a diagnostic about its n-th byte
 * points to the right column. Rules stand on one line of the file; where the file's text and ours do
 * not run in step (escapes, folded lines), every diagnostic points to the beginning.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/diag.h"

/* Borrowed. */
struct qos_rule_source {
	const char *text;
	struct qos_loc loc; /* of text[0] */
	bool exact;	    /* columns of text and file run in step */
};

/* The place of text[at]. */
static inline struct qos_loc qos_rule_loc(const struct qos_rule_source *source, size_t at)
{
	struct qos_loc loc = source->loc;

	for (size_t i = 0; source->exact && i < at && source->text[i]; i++)
		loc.col += ((unsigned char)source->text[i] & 0xc0) != 0x80;
	return loc;
}
