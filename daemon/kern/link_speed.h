/* SPDX-License-Identifier: GPL-2.0-only */
/* How fast an interface is. */
#pragma once

#include <stdint.h>

/* fd: any socket of the namespace. Bits a second; 0: the driver does not say, or nothing is connected.
 * By ETHTOOL_GLINKSETTINGS (net/ethtool/ioctl.c), which waits for whoever changes links. Not by sysfs: its `speed` has
 * the reader try again and again meanwhile, which at SCHED_FIFO keeps the other from coming to an end. */
uint64_t qos_link_speed(int fd, const char *name);
