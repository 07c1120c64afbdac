/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to the daemon, and what it tells by itself. An event makes a contract due; at most once a
 * second who is due is asked about, and told of. While the daemon is gone it is looked for once a second.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "gateway.h"
#include "util/clock.h"
#include "util/text.h"

#define PAUSE_US 1000000ULL
#define SOON_US	 50000ULL
#define TELL_MAX 16 /* contracts a second */

static void arm(struct qos_gateway *gateway, uint64_t wait_us)
{
	sd_event_source_set_time_relative(gateway->timer, wait_us);
	sd_event_source_set_enabled(gateway->timer, SD_EVENT_ONESHOT);
}

/* Soon, but not more often than once a second. */
static void refresh_soon(struct qos_gateway *gateway)
{
	uint64_t now_us = qos_clock_ns(CLOCK_MONOTONIC) / 1000;
	uint64_t due_us = gateway->refreshed_us + PAUSE_US;

	arm(gateway, due_us > now_us + SOON_US ? due_us - now_us : SOON_US);
}

static void drop(struct qos_gateway *gateway)
{
	gateway->refreshing = sd_bus_slot_unref(gateway->refreshing);
	gateway->daemon = sd_bus_close_unref(gateway->daemon);
}

static void lose(struct qos_gateway *gateway)
{
	if (!gateway->daemon)
		return;
	drop(gateway);
	qos_gateway_objects_invalidate(gateway);
	arm(gateway, PAUSE_US);
}

/* --- what the daemon tells --- */

/* A document is the daemon's answer to Report; NULL: it failed. */
static json_t *document_of(sd_bus_message *reply)
{
	const char *text;

	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_read(reply, "s", &text) < 0)
		return NULL;
	return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

static int on_show(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct qos_gateway *gateway = data;
	json_t *show = document_of(reply);

	if (show && qos_text_is_contract_name(qos_gateway_text(show, "contract")))
		qos_gateway_objects_tell(gateway, qos_gateway_text(show, "contract"), show);
	json_decref(show);
	return 0;
}

static int ask(struct qos_gateway *gateway, sd_bus_slot **slot, const char *what, const char *name,
	       sd_bus_message_handler_t handler)
{
	return sd_bus_call_method_async(gateway->daemon, slot, NULL, QOS_GATEWAY_PATH,
					QOS_GATEWAY_MANAGER, "Report", handler, gateway, "ss", what,
					name);
}

static int on_status(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct qos_gateway *gateway = data;
	json_t *status = document_of(reply), *due;
	const char *name;
	unsigned int n = 0;

	gateway->refreshing = sd_bus_slot_unref(gateway->refreshing);
	if (!status)
		return 0;
	qos_gateway_objects_update(gateway, status);
	json_decref(status);
	json_object_foreach(gateway->contracts, name, due) {
		if (!json_is_true(due))
			continue;
		if (++n > TELL_MAX) {
			refresh_soon(gateway);
			break;
		}
		ask(gateway, NULL, "show", name, on_show);
		json_object_set_new(gateway->contracts, name, json_false());
	}
	return 0;
}

static void refresh(struct qos_gateway *gateway)
{
	gateway->refreshed_us = qos_clock_ns(CLOCK_MONOTONIC) / 1000;
	if (!gateway->refreshing)
		ask(gateway, &gateway->refreshing, "status", "", on_status);
}

static void on_event(struct qos_gateway *gateway, sd_bus_message *signal)
{
	const char *text, *name;
	json_t *event = NULL;

	if (sd_bus_message_read(signal, "s", &text) >= 0)
		event = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	name = qos_gateway_text(event, "contract");
	if (json_object_get(gateway->contracts, name))
		json_object_set_new(gateway->contracts, name, json_true());
	json_decref(event);
	refresh_soon(gateway);
}

static void forward(struct qos_gateway *gateway, sd_bus_message *signal)
{
	const char *contract, *stream, *text;

	if (sd_bus_message_read(signal, "sss", &contract, &stream, &text) >= 0)
		sd_bus_emit_signal(gateway->system, QOS_GATEWAY_PATH, QOS_GATEWAY_MANAGER,
				   sd_bus_message_get_member(signal), "sss", contract, stream,
				   text);
}

static int on_any(sd_bus_message *message, void *data, sd_bus_error *error)
{
	static const char *const forwarded[] = {"ContractChanged", "Adapted", "Violation"};
	struct qos_gateway *gateway = data;

	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected"))
		lose(gateway);
	else if (sd_bus_message_is_signal(message, QOS_GATEWAY_MANAGER, "Event"))
		on_event(gateway, message);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(forwarded); i++) {
		if (sd_bus_message_is_signal(message, QOS_GATEWAY_MANAGER, forwarded[i]))
			forward(gateway, message);
	}
	return 0;
}

/* --- coming and going --- */

static int connect_to(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_link(struct qos_gateway *gateway)
{
	_cleanup_close_ int fd = connect_to(gateway->socket);
	int r;

	if (fd < 0)
		return fd;
	r = sd_bus_new(&gateway->daemon);
	if (r < 0)
		return r;
	r = sd_bus_set_fd(gateway->daemon, fd, fd);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	r = sd_bus_start(gateway->daemon);
	if (r >= 0)
		r = sd_bus_attach_event(gateway->daemon, gateway->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_add_filter(gateway->daemon, NULL, on_any, gateway);
	return r;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct qos_gateway *gateway = data;

	if (!gateway->daemon && open_link(gateway) < 0) {
		drop(gateway);
		arm(gateway, PAUSE_US);
		return 0;
	}
	refresh(gateway);
	return 0;
}

int qos_gateway_link_start(struct qos_gateway *gateway)
{
	int r = sd_event_add_time_relative(gateway->event, &gateway->timer, CLOCK_MONOTONIC, 0, 0,
					   on_timer, gateway);

	return r < 0 ? r : 0;
}

void qos_gateway_link_stop(struct qos_gateway *gateway)
{
	gateway->timer = sd_event_source_unref(gateway->timer);
	drop(gateway);
}
