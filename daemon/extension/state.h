/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State from one version of a contract's rules to the next. What an operation remembers is the same
 * thing if event and expression are the same, wherever they stand now; then its words can be taken
 * over, for they have the same type, unit and width. (Where nothing but numbers differs all words stay:
 * extend_record.c, which asks for their widths.)
 */
#pragma once

#include "extension/compile.h"

/* One operation with a state. Its key is the whole meaning of the words: event, operation, operands. */
struct qos_state_slot {
	size_t first;
	size_t n;
	char *key;
};

struct qos_state_map {
	struct qos_state_slot slots[QOS_RULES_STATE_MAX];
	size_t n;
};

/* Fills *map, which is all zeroes. Compiled to QOS_STAGE_TYPES at least. 0 or -ENOMEM. */
int qos_state_map(const struct qos_compiled *compiled, struct qos_state_map *map);
void qos_state_map_reset(struct qos_state_map *map);
#define _cleanup_state_map_ QOS_CLEANUP(qos_state_map_reset)

/* Sets the words of a key under the new program (zero where nothing fits) from those under the old.
 * Equal operations are matched in order. Returns how many words were taken over. The maps may be those of
 * anybody's image (image.h): within their bounds, with any keys. */
size_t qos_state_carry(const struct qos_state_map *old, const uint64_t *old_words,
		       const struct qos_state_map *new, uint64_t *new_words);
