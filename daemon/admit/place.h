/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: where streams run, and how much they reserve. */
#pragma once

#include "admit/book.h"

#define QOS_DL_RUNTIME_MIN_NS 1024U /* the kernel's DL_SCALE */

/* Finds a seat for a stream that has none, with the guarantee that its contract accepts, best
 * first. False: nothing was changed. */
bool qos_place_stream(struct qos_book *book, struct qos_entry *entry, size_t i);

/* Takes a stream off its seat, unjudged; the seat is the first to be tried next time. */
void qos_place_unseat(struct qos_book *book, struct qos_entry *entry, size_t i);

/* Puts it back there, unjudged. False: it may not go there any more. */
bool qos_place_back(struct qos_book *book, struct qos_entry *entry, size_t i);

/* Reserves `ns` for a stream (as its base, or only as what is granted) and, if it is seated, judges
 * that. False: nothing was changed. */
enum qos_share { QOS_SHARE_BASE, QOS_SHARE_GRANTED };
bool qos_place_try(struct qos_book *book, struct qos_entry *entry, size_t i, enum qos_share share,
		   uint64_t ns);

/* Raises the share as far as it goes, at most to `ns`, in steps of 1 % or 10 us. Never lowers. */
void qos_place_raise(struct qos_book *book, struct qos_entry *entry, size_t i, enum qos_share share,
		     uint64_t ns);

/* May it run under SCHED_DEADLINE, as far as the contract and the kernel's limits go? */
bool qos_place_may_deadline(const struct qos_book *book, const struct qos_entry *entry, size_t i);

/* The CPUs that it may be pinned to. */
struct qos_cpus qos_place_choice(const struct qos_book *book, const struct qos_cpu_stream *stream);
