/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: one contract into the book. */
#pragma once

#include "admit/book.h"

/*
 * Enters a contract and seats all its streams, taking back what others hold above their base as far
 * as needed. False: refused, nothing was changed, *ret_failed is the stream that found no seat (network
 * streams are counted behind those of the CPUs); or memory ran out (book->error).
 */
bool qos_admit(struct qos_book *book, const struct qos_contract *contract, size_t *ret_failed);

/* Takes back all that anybody holds above the base, unjudged. For looking at what could be had. */
void qos_admit_take_all(struct qos_book *book);
