/* SPDX-License-Identifier: GPL-2.0-only */
#include "kern/link_speed.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#define MBIT 1000000ULL

/* How much a message of ours has to hold for all link modes, which are of no interest. */
struct settings {
	struct ethtool_link_settings base;
	uint32_t modes[3 * 127];
};

uint64_t qos_link_speed(int fd, const char *name)
{
	struct settings settings = {.base = {.cmd = ETHTOOL_GLINKSETTINGS}};
	struct ifreq request = {.ifr_data = (void *)&settings};

	memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || settings.base.link_mode_masks_nwords >= 0)
		return 0;
	/* the kernel has said how many words it wants */
	settings.base.link_mode_masks_nwords = (int8_t)-settings.base.link_mode_masks_nwords;
	settings.base.cmd = ETHTOOL_GLINKSETTINGS;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || settings.base.speed == (uint32_t)SPEED_UNKNOWN)
		return 0;
	return settings.base.speed * MBIT;
}
