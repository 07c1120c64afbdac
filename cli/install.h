/* SPDX-License-Identifier: GPL-2.0-only */
/* One file of a contract directory: what stood there, the new one in its place, and back. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"

enum qos_stood { QOS_STOOD_NOTHING, QOS_STOOD_FILE, QOS_STOOD_LINK };

/* What stands, or stood, at a path. Strings are owned. */
struct qos_before {
	enum qos_stood kind;
	char *bytes; /* QOS_STOOD_FILE */
	size_t len;
	mode_t mode;
	char *target; /* QOS_STOOD_LINK */
};

/* 0, or -errno (-EISDIR and the like for what is neither). */
int qos_install_remember(const char *path, struct qos_before *ret);
int qos_install_put_back(const char *path, const struct qos_before *before);

/* Makes `path` a link, atomically, in place of whatever file or link stood there. */
int qos_install_link(const char *path, const char *target);

void qos_before_reset(struct qos_before *before);
#define _cleanup_before_ QOS_CLEANUP(qos_before_reset)
