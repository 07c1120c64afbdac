/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's unix sockets: where they are, who may connect, and what happens without descriptors. */
#pragma once

/* Listens on `path`, mode 0660, of root and the group `qos`; a stale socket there is replaced. The
 * descriptor (non-blocking), or -errno. */
int qos_listen(const char *path);

/* Without a descriptor a connection can be neither taken nor refused, and would be announced for ever.
 * So one is kept to spare: it is given up for a moment, in which the next connection is refused. */
int qos_listen_spare(void); /* or -errno */
void qos_listen_turn_away(int fd, int *spare_fd);
