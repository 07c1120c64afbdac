/* SPDX-License-Identifier: GPL-2.0-only */
/* Weakness: the group is looked up once, at start; who makes it later has to restart the daemon. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/cleanup.h"

#define BACKLOG 64 /* who does not wait for room, as scrapers do, is turned away by the kernel */

int qos_listen(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct group *qos = getgrnam("qos");

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chown(path, 0, qos ? qos->gr_gid : 0) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int qos_listen_spare(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void qos_listen_turn_away(int fd, int *spare_fd)
{
	int peer_fd;

	if (*spare_fd < 0)
		return;
	close(*spare_fd);
	peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer_fd >= 0)
		close(peer_fd);
	*spare_fd = qos_listen_spare();
}
