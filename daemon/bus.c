/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may do what is decided here, from the kernel's word on the peer (SO_PEERCRED and
 * SO_PEERGROUPS), per method. A client gets one connection's worth of memory and there are at most
 * QOS_BUS_CLIENTS_MAX of them; the oldest gives way, so that sleepers cannot lock a person out. Who
 * does not take its answers is cut off, and so are those who only read once they ask or connect too often
 * (util/callers.h: by user, since each could come back at once), and the gateway of the system bus beyond
 * GATEWAY_CALLS_MAX.
 * All of it waits until nothing of the scheduling is pending (SD_EVENT_PRIORITY_IDLE).
 * Signals go to every client: Event with all there is to say as JSON, and in short ContractChanged,
 * Adapted, Violation (contract, stream, text).
 * Weakness: the parser of messages (sd-bus) runs in the privileged process. What a client other than root can make
 * it hold is bounded by bus_inlet.h; root's messages may have 128 MiB, as sd-bus has it. A user or a group
 * that is made later is known after a restart.
 */
#include "bus_parts.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bus_inlet.h"
#include "listen.h"
#include "util/clock.h"
#include "util/log.h"

#define QUEUE_MAX	  8   /* messages that wait for a client */
#define GATEWAY_CALLS_MAX 200 /* it bounds its own callers far below */
#define GATEWAY_USER	  "qosd-bus"
#define NOBODY		  UINT32_MAX

static void drop(struct client *client)
{
	if (!client->peer)
		return;
	client->peer = sd_bus_close_unref(client->peer);
	qos_bus_inlet_free(TAKE_PTR(client->inlet));
	malloc_trim(0); /* what it had made us hold */
}

static bool reads_its_answers(const struct client *client)
{
	uint64_t n = 0;

	return sd_bus_get_n_queued_write(client->peer, &n) >= 0 && n <= QUEUE_MAX;
}

static bool asks_too_often(struct client *client)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);

	switch (client->rights) {
	case QOS_BUS_READ:
		return !qos_callers_count(&client->bus->calls, client->uid, now_ns);
	case QOS_BUS_BEHALF:
		return qos_rate_count(&client->calls, now_ns) > GATEWAY_CALLS_MAX;
	case QOS_BUS_ALL:
		break;
	}
	return false;
}

/* Before every method. sd-bus holds a reference while a message is handled, so the peer may go. */
static int on_any(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct client *client = data;

	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", NULL))
		return 0;
	qos_bus_inlet_handled(client->inlet);
	if (reads_its_answers(client) && !asks_too_often(client))
		return 0;
	drop(client);
	return 1;
}

/* --- signals --- */

/* The signals that say it in short; of a contract's coming and going only the state. */
static const struct {
	const char *signal;
	bool state_only;
} in_short[QOS_HISTORY_KINDS] = {
	[QOS_HISTORY_IN_FORCE] = {"ContractChanged", true},
	[QOS_HISTORY_WAITING] = {"ContractChanged", true},
	[QOS_HISTORY_REFUSED] = {"ContractChanged", true},
	[QOS_HISTORY_INVALID] = {"ContractChanged", true},
	[QOS_HISTORY_REMOVED] = {"ContractChanged", true},
	[QOS_HISTORY_ADAPTED] = {"Adapted"},
	[QOS_HISTORY_VIOLATION] = {"Violation"},
};

static void emit(sd_bus *peer, const struct qos_history_event *event, const char *json)
{
	const char *signal = in_short[event->kind].signal;
	const char *text = in_short[event->kind].state_only ? qos_history_kind_names[event->kind]
							    : event->text;

	sd_bus_emit_signal(peer, QOS_BUS_PATH, QOS_BUS_INTERFACE, "Event", "s", json);
	if (signal)
		sd_bus_emit_signal(peer, QOS_BUS_PATH, QOS_BUS_INTERFACE, signal, "sss",
				   event->contract, event->stream, text);
}

static bool has_clients(const struct qos_bus *bus)
{
	for (size_t i = 0; i < QOS_BUS_CLIENTS_MAX; i++) {
		if (bus->clients[i].peer)
			return true;
	}
	return false;
}

static void on_notify(void *data, const struct qos_history_event *event)
{
	_cleanup_free_ char *text = NULL;
	struct qos_bus *bus = data;
	json_t *json;

	if (!has_clients(bus))
		return;
	json = qos_history_event_json(event);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return;
	for (size_t i = 0; i < QOS_BUS_CLIENTS_MAX; i++) {
		struct client *client = &bus->clients[i];

		if (!client->peer)
			continue;
		if (reads_its_answers(client))
			emit(client->peer, event, text);
		else if (!sd_bus_get_current_message(client->peer))
			drop(client);
		/* else it waits for the answer to a call that causes many signals: it loses some */
	}
}

/* --- connections --- */

static int on_disconnected(sd_bus_message *message, void *data, sd_bus_error *error)
{
	drop(data);
	return 0;
}

/* Once, at start, as the group of the socket (listen.c): who may be asked for names might not answer, and each
 * connection would wait for that. */
static void find_names(struct qos_bus *bus)
{
	const struct passwd *gateway = getpwnam(GATEWAY_USER);
	const struct group *qos = getgrnam("qos");

	bus->gateway_uid = gateway ? gateway->pw_uid : NOBODY;
	bus->qos_gid = qos ? qos->gr_gid : NOBODY;
}

static bool group_may_read(const struct qos_bus *bus, int fd)
{
	gid_t groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++) {
		if (groups[i] == bus->qos_gid)
			return true;
	}
	return false;
}

/* enum qos_bus_rights, or -EACCES. No user and no group has the number NOBODY. */
static int rights_of(const struct qos_bus *bus, int fd, uint32_t *ret_uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*ret_uid = peer.uid;
	if (peer.uid == 0)
		return QOS_BUS_ALL;
	if (peer.uid == bus->gateway_uid)
		return QOS_BUS_BEHALF;
	if (peer.gid == bus->qos_gid || group_may_read(bus, fd))
		return QOS_BUS_READ;
	return -EACCES;
}

/* A free slot; if there is none the oldest of those with the least rights goes. */
static struct client *make_room(struct qos_bus *bus)
{
	struct client *oldest = &bus->clients[0];

	for (size_t i = 0; i < QOS_BUS_CLIENTS_MAX; i++) {
		struct client *client = &bus->clients[i];

		if (!client->peer)
			return client;
		if (client->rights < oldest->rights ||
		    (client->rights == oldest->rights && client->order < oldest->order))
			oldest = client;
	}
	drop(oldest);
	return oldest;
}

/* The peer owns what it was given, also on failure later. */
static int give_fds(struct qos_bus *bus, struct client *client, int fd)
{
	_cleanup_close_ int input = -1;
	int r = 0;

	if (client->rights != QOS_BUS_ALL)
		r = qos_bus_inlet_new(bus->event, fd, &client->inlet, &input);
	if (r >= 0)
		r = sd_bus_set_fd(client->peer, input >= 0 ? input : fd, fd);
	if (r >= 0)
		(void)TAKE_FD(input);
	else
		qos_bus_inlet_free(TAKE_PTR(client->inlet));
	return r;
}

static int start_peer(struct qos_bus *bus, struct client *client, int fd)
{
	sd_id128_t id;
	int r;

	r = sd_id128_randomize(&id);
	if (r >= 0)
		r = sd_bus_new(&client->peer);
	if (r < 0)
		return r;
	r = give_fds(bus, client, fd);
	if (r < 0)
		return r;
	r = sd_bus_set_server(client->peer, 1, id);
	if (r >= 0)
		r = sd_bus_set_trusted(client->peer, 1);
	if (r >= 0)
		r = sd_bus_set_anonymous(client->peer, 1);
	if (r >= 0) /* no method takes one, and a client could send all that we may have */
		r = sd_bus_negotiate_fds(client->peer, 0);
	if (r >= 0)
		r = sd_bus_add_filter(client->peer, NULL, on_any, client);
	if (r >= 0)
		r = sd_bus_add_object_vtable(client->peer, NULL, QOS_BUS_PATH, QOS_BUS_INTERFACE,
					     qos_bus_vtable, client);
	if (r >= 0 && client->rights == QOS_BUS_BEHALF)
		r = sd_bus_add_object_vtable(client->peer, NULL, QOS_BUS_PATH,
					     QOS_BUS_GATEWAY_INTERFACE, qos_bus_gateway_vtable,
					     client);
	if (r >= 0)
		r = sd_bus_start(client->peer);
	if (r >= 0)
		r = sd_bus_attach_event(client->peer, bus->event, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_bus_match_signal_async(client->peer, NULL, "org.freedesktop.DBus.Local",
					      "/org/freedesktop/DBus/Local",
					      "org.freedesktop.DBus.Local", "Disconnected",
					      on_disconnected, NULL, client);
	if (r < 0) {
		drop(client);
		return 0;
	}
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	_cleanup_close_ int peer_fd = -1;
	struct qos_bus *bus = data;
	struct client *client;
	uint32_t uid = 0;
	int rights;

	peer_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer_fd < 0 && (errno == EMFILE || errno == ENFILE))
		qos_listen_turn_away(fd, &bus->spare_fd);
	if (peer_fd < 0)
		return 0;
	rights = rights_of(bus, peer_fd, &uid);
	if (rights < 0)
		return 0;
	if (rights == QOS_BUS_READ &&
	    !qos_callers_count(&bus->connections, uid, qos_clock_ns(CLOCK_BOOTTIME)))
		return 0;
	client = make_room(bus);
	*client = (struct client){.bus = bus,
				  .rights = (enum qos_bus_rights)rights,
				  .uid = uid,
				  .order = ++bus->order};
	if (start_peer(bus, client, peer_fd) < 0)
		client->peer = sd_bus_unref(client->peer);
	else
		TAKE_FD(peer_fd);
	return 0;
}

int qos_bus_new(sd_event *event, const char *path, struct qos_supervisor *supervisor,
		struct qos_bus **ret)
{
	_cleanup_bus_ struct qos_bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return -ENOMEM;
	*bus = (struct qos_bus){.supervisor = supervisor, .event = event, .fd = -1, .spare_fd = -1};
	find_names(bus);
	r = bus->spare_fd = qos_listen_spare();
	if (r < 0)
		return r;
	r = bus->fd = qos_listen(path);
	if (r < 0)
		return r;
	bus->path = strdup(path);
	if (!bus->path)
		return -ENOMEM;
	r = sd_event_add_io(event, &bus->source, bus->fd, EPOLLIN, on_connection, bus);
	if (r >= 0)
		r = sd_event_source_set_priority(bus->source, SD_EVENT_PRIORITY_IDLE);
	if (r < 0)
		return r;
	supervisor->notify = on_notify;
	supervisor->notify_data = bus;
	*ret = TAKE_PTR(bus);
	return 0;
}

void qos_bus_free(struct qos_bus *bus)
{
	if (!bus)
		return;
	bus->supervisor->notify = NULL;
	/* Not flushed: only who does not read has anything left, and could keep threads from being given back. */
	for (size_t i = 0; i < QOS_BUS_CLIENTS_MAX; i++)
		drop(&bus->clients[i]);
	sd_event_source_unref(bus->source);
	if (bus->fd >= 0)
		close(bus->fd);
	if (bus->spare_fd >= 0)
		close(bus->spare_fd);
	if (bus->path)
		unlink(bus->path);
	free(bus->path);
	free(bus);
}
