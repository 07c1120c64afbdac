/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: the words of a refusal, with ways out that were tried. */
#pragma once

#include "admit/book.h"
#include "util/diag.h"

/* Why `contract` was not admitted: stream `failed` found no seat. The book is as it was before. */
void qos_wayout_refuse(struct qos_book *book, const struct qos_contract *contract, size_t failed,
		       struct qos_diag *diag);

/* Why stream i cannot have `ns`, and how much it can have. */
void qos_wayout_refuse_change(struct qos_book *book, struct qos_entry *entry, size_t i, uint64_t ns,
			      struct qos_diag *diag);

/* Why stream i, which the kernel gives no SCHED_DEADLINE and which has no seat, gets none. */
void qos_wayout_refuse_fifo(struct qos_book *book, struct qos_entry *entry, size_t i,
			    struct qos_diag *diag);
