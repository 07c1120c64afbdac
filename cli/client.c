/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sd-bus straight over the daemon's unix socket: no bus daemon, so it works in an initrd and a
 * container. Every call makes its own connection; `--watch` then survives a restart of the daemon
 * between two pictures, and nothing has to be kept in step.
 */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include "util/clock.h"

#define CALL_TIMEOUT_S 5
#define ERROR_PREFIX   "org.qosd1.Error."

struct outcome {
	const char *name; /* after ERROR_PREFIX */
	int status;
	const char *hint;
};

static const struct outcome outcomes[] = {
	{"NoSuchContract", QOS_EXIT_NO_CONTRACT, "`qosctl list` names the contracts"},
	{"NoSuchAttribute", QOS_EXIT_FAILURE,
	 "write cpu.STREAM.runtime; `qosctl show CONTRACT` names the streams"},
	{"Refused", QOS_EXIT_REFUSED, NULL},
	{"Invalid", QOS_EXIT_INVALID, NULL},
	{"AccessDenied", QOS_EXIT_FAILURE, "only root may change something: try sudo"},
};

static int fail(struct qos_answer *answer, int status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct qos_answer *answer, int status, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&answer->text, format, args) < 0)
		answer->text = NULL;
	va_end(args);
	answer->hint = hint ? strdup(hint) : NULL;
	answer->status = status;
	return status;
}

static int connect_failed(struct qos_answer *answer, const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return fail(answer, QOS_EXIT_NO_DAEMON, "start it: systemctl start qosd (as root)",
			    "qosd is not running (nobody answers on %s)", path);
	case EACCES:
	case EPERM:
		return fail(answer, QOS_EXIT_FAILURE,
			    "be root (sudo), or a member of group qos, which may read",
			    "%s: you may not ask qosd", path);
	default:
		return fail(answer, QOS_EXIT_FAILURE, NULL, "%s: %s", path, strerror(error));
	}
}

/* Connects with a bound on the time that a full backlog may cost. */
static int connect_to(const char *path, struct qos_answer *answer, int *ret)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval timeout = {.tv_sec = CALL_TIMEOUT_S};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return connect_failed(answer, path, ENAMETOOLONG);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return connect_failed(answer, path, errno);
	*ret = TAKE_FD(fd);
	return QOS_EXIT_OK;
}

/* Consumes fd, also on failure: the bus owns it as soon as set_fd succeeded. The bus is closed without a
 * flush, here and elsewhere: that would wait without end for who does not answer. */
static int start_bus(int fd, sd_bus **ret)
{
	QOS_CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	_cleanup_close_ int owned = fd;
	int r;

	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	r = sd_bus_set_fd(bus, owned, owned);
	if (r < 0)
		return r;
	(void)TAKE_FD(owned);
	r = sd_bus_start(bus);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bus);
	return 0;
}

static int remote_error(struct qos_answer *answer, const sd_bus_error *error, int r)
{
	const char *text = error->message ? error->message : strerror(-r);

	for (size_t i = 0; error->name && i < QOS_ARRAY_SIZE(outcomes); i++) {
		if (!strncmp(error->name, ERROR_PREFIX, strlen(ERROR_PREFIX)) &&
		    !strcmp(error->name + strlen(ERROR_PREFIX), outcomes[i].name))
			return fail(answer, outcomes[i].status,
				    strstr(text, "\nhint: ") ? NULL : outcomes[i].hint, "%s", text);
	}
	if (r == -ETIMEDOUT)
		return fail(answer, QOS_EXIT_FAILURE, "see `journalctl -u qosd`",
			    "qosd did not answer within %d s", CALL_TIMEOUT_S);
	return fail(answer, QOS_EXIT_FAILURE,
		    strstr(text, "\nhint: ") ? NULL : "see `journalctl -u qosd`", "qosd: %s", text);
}

static int read_reply(struct qos_answer *answer, sd_bus_message *reply)
{
	const char *text;
	json_error_t error;
	int r;

	r = sd_bus_message_read(reply, "s", &text);
	if (r < 0)
		return fail(answer, QOS_EXIT_FAILURE, NULL, "qosd: %s", strerror(-r));
	answer->json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!answer->json)
		return fail(answer, QOS_EXIT_FAILURE, "qosctl and qosd may differ in version",
			    "qosd answered what is no JSON: %s", error.text);
	return answer->status = QOS_EXIT_OK;
}

static int new_message(sd_bus *bus, const char *method, sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(bus, ret, NULL, "/org/qosd1", "org.qosd1.Manager",
					      method);
}

/* r: what came of making the message. */
static int exchange(sd_bus *bus, struct qos_answer *answer, sd_bus_message *message, int r)
{
	QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	QOS_CLEANUP(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	if (r >= 0)
		r = sd_bus_call(bus, message, CALL_TIMEOUT_S * 1000000ULL, &error, &reply);
	if (r < 0)
		return remote_error(answer, &error, r);
	return read_reply(answer, reply);
}

static int call(sd_bus *bus, struct qos_answer *answer, const char *method, const char *types,
		va_list args)
{
	QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = new_message(bus, method, &message);

	if (r >= 0 && *types)
		r = sd_bus_message_appendv(message, types, args);
	return exchange(bus, answer, message, r);
}

/* The kernel accepts for a daemon that stands still, and sd-bus would wait 90 s for its first word. */
static int await_ready(sd_bus *bus)
{
	uint64_t end_us = qos_clock_ns(CLOCK_MONOTONIC) / 1000 + CALL_TIMEOUT_S * 1000000ULL;

	for (;;) {
		uint64_t now_us = qos_clock_ns(CLOCK_MONOTONIC) / 1000;
		int r = sd_bus_is_ready(bus);

		if (r != 0)
			return r < 0 ? r : 0;
		if (now_us >= end_us)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, end_us - now_us);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

int qos_client_open(const char *socket, struct qos_answer *answer, sd_bus **ret)
{
	QOS_CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	int fd = -1;
	int r;

	r = connect_to(socket, answer, &fd);
	if (r)
		return r;
	r = start_bus(fd, &bus);
	if (r < 0)
		return fail(answer, QOS_EXIT_FAILURE, NULL, "%s: %s", socket, strerror(-r));
	r = await_ready(bus);
	if (r < 0)
		return remote_error(answer, &SD_BUS_ERROR_NULL, r);
	*ret = TAKE_PTR(bus);
	return QOS_EXIT_OK;
}

int qos_client_call(const char *socket, struct qos_answer *answer, const char *method,
		    const char *types, ...)
{
	QOS_CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	va_list args;
	int r;

	r = qos_client_open(socket, answer, &bus);
	if (r)
		return r;
	va_start(args, types);
	r = call(bus, answer, method, types, args);
	va_end(args);
	return r;
}

static int append_files(sd_bus_message *message, const struct qos_client_file *files, size_t n)
{
	int r = sd_bus_message_open_container(message, 'a', "(sss)");

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(message, "(sss)", files[i].name, files[i].path,
					  files[i].text);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

int qos_client_plan(const char *socket, struct qos_answer *answer,
		    const struct qos_client_file *files, size_t n)
{
	QOS_CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int r = qos_client_open(socket, answer, &bus);

	if (r)
		return r;
	r = new_message(bus, "Plan", &message);
	if (r >= 0)
		r = append_files(message, files, n);
	return exchange(bus, answer, message, r);
}

int qos_client_call_on(sd_bus *bus, struct qos_answer *answer, const char *method,
		       const char *types, ...)
{
	va_list args;
	int r;

	va_start(args, types);
	r = call(bus, answer, method, types, args);
	va_end(args);
	return r;
}

int qos_client_next(sd_bus *bus, struct qos_answer *answer, const char *member)
{
	for (;;) {
		QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *message = NULL;
		int r = sd_bus_process(bus, &message);

		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
		if (r < 0 && r != -EINTR)
			return fail(answer, QOS_EXIT_NO_DAEMON,
				    "it was stopped, or this reader was too slow for it",
				    "qosd went away");
		if (message && sd_bus_message_is_signal(message, "org.qosd1.Manager", member))
			return read_reply(answer, message);
	}
}

int qos_client_complain(const struct qos_cli *cli, const struct qos_answer *answer)
{
	return qos_cli_fail(cli, answer->status, answer->hint, "%s",
			    answer->text ? answer->text : strerror(ENOMEM));
}

void qos_answer_reset(struct qos_answer *answer)
{
	json_decref(answer->json);
	free(answer->text);
	free(answer->hint);
	*answer = (struct qos_answer){};
}
