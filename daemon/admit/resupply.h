/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: the book under another supply. */
#pragma once

#include "admit/book.h"

/* Exchanges the capacity and brings all back as far as it goes. The names of contracts that had to
 * leave go to `out` (room for all entries); returns their number. On book->error: meaningless. */
size_t qos_resupply(struct qos_book *book, const struct qos_capacity *capacity, const char **out);
