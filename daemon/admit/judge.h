/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: what may be promised to the streams where they sit. */
#pragma once

#include "admit/book.h"

/*
 * Judges everything that a change touches: the cap, the SCHED_DEADLINE set if `dl_changed` (and
 * then what runs below it), and the SCHED_FIFO streams of `cpu` (QOS_CPUS_MAX: none). Writes
 * priorities, guarantees and bounds. False: the cap is passed, or a stream would get less than its
 * floor or than its contract accepts, or memory ran out (book->error); the caller then rolls back.
 */
bool qos_judge(struct qos_book *book, bool dl_changed, unsigned int cpu);

/* The same for whatever a stream at this seat touches. */
bool qos_judge_seat(struct qos_book *book, const struct qos_seat *seat);

/* The same after something became less: where that cannot be judged all stays as it was, which is
 * still true. */
void qos_judge_again(struct qos_book *book, const struct qos_seat *seat);

/* The same after a whole entry has left. */
void qos_judge_without(struct qos_book *book, const struct qos_entry *gone);

/* Judges everything. */
bool qos_judge_all(struct qos_book *book);

/* Utilisation left of the cap: on one CPU for SCHED_FIFO, and on all that are not isolated. */
uint64_t qos_judge_free_ppb(const struct qos_book *book, unsigned int cpu);
uint64_t qos_judge_free_general_ppb(const struct qos_book *book);
