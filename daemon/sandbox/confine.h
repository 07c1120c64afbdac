/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The last door: from here on poll, recv and send on the daemon's socket, and exit; whatever else is
 * called ends the process at once. No memory can be had any more. 0 or -errno. */
int qos_confine(void);
