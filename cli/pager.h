/* SPDX-License-Identifier: GPL-2.0-only */
/* Long results on a terminal go through $PAGER (default less). */
#pragma once

#include <sys/types.h>

/* Points stdout at a pager. 0 if there is none to be had: then nothing changed. */
pid_t qos_pager_start(void);

/* Flushes, closes stdout and waits for the pager; pid 0 is fine. */
void qos_pager_finish(pid_t pid);
