/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes go on as they come, a piece each time, through a pair of sockets. They are counted and not read: where a
 * message ends is sd-bus's to say, so nobody can make the two see different ends. sd-bus reads all there is whenever
 * it is its turn, and it has its turn as often as this; so a full pair is a client that sends too much, too.
 * Weakness: each costs three descriptors more, and a system call more for 4 KiB.
 */
#include "bus_inlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PIECE 4096

struct qos_bus_inlet {
	sd_event_source *source;
	int from; /* the client */
	int to;	  /* sd-bus; -1: it was told the end */
	size_t unhandled;
};

/* false: it ends here. */
static bool pass_on(struct qos_bus_inlet *inlet)
{
	char piece[PIECE];
	ssize_t n = recv(inlet->from, piece, sizeof(piece), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	inlet->unhandled += (size_t)n;
	return n && inlet->unhandled <= QOS_BUS_INLET_MAX &&
	       send(inlet->to, piece, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n;
}

static int on_bytes(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct qos_bus_inlet *inlet = data;

	if (pass_on(inlet))
		return 0;
	close(TAKE_FD(inlet->to));
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int qos_bus_inlet_new(sd_event *event, int fd, struct qos_bus_inlet **ret, int *ret_fd)
{
	_cleanup_bus_inlet_ struct qos_bus_inlet *inlet = malloc(sizeof(*inlet));
	_cleanup_close_ int theirs = -1;
	int pair[2], r;

	if (!inlet)
		return -ENOMEM;
	*inlet = (struct qos_bus_inlet){.from = -1, .to = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	inlet->to = pair[0];
	theirs = pair[1];
	inlet->from = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* an event loop takes each only once */
	if (inlet->from < 0)
		return -errno;
	r = sd_event_add_io(event, &inlet->source, inlet->from, EPOLLIN, on_bytes, inlet);
	if (r >= 0)
		r = sd_event_source_set_priority(inlet->source, SD_EVENT_PRIORITY_IDLE);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(theirs);
	*ret = TAKE_PTR(inlet);
	return 0;
}

void qos_bus_inlet_free(struct qos_bus_inlet *inlet)
{
	if (!inlet)
		return;
	sd_event_source_disable_unref(inlet->source);
	if (inlet->from >= 0)
		close(inlet->from);
	if (inlet->to >= 0)
		close(inlet->to);
	free(inlet);
}

void qos_bus_inlet_handled(struct qos_bus_inlet *inlet)
{
	if (inlet)
		inlet->unhandled = 0;
}
