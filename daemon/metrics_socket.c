/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client costs a bounded request, a copy of one text, and a deadline for all of it; there are at most
 * QOS_METRICS_CLIENTS_MAX at a time, and QOS_METRICS_RATE_MAX a second, since the daemon's time is more than that of
 * those who ask. The others wait in the kernel's queue, which is not listened to
 * meanwhile; nor is it when no descriptor is left. Everything waits until nothing of the scheduling is
 * pending (SD_EVENT_PRIORITY_IDLE), and nothing here blocks.
 * Weakness: who may connect at all can keep others waiting, a deadline at a time.
 */
#include "metrics_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "listen.h"
#include "metrics_collect.h"
#include "util/clock.h"
#include "util/rate.h"

struct client {
	struct qos_metrics_socket *server;
	int fd; /* -1: free slot */
	sd_event_source *io;
	sd_event_source *deadline;
	char request[QOS_METRICS_REQUEST_MAX + 1];
	size_t n_request;
	struct qos_buf answer; /* once the request is complete */
	size_t sent;	       /* all: what comes is thrown away until the client closes */
};

struct qos_metrics_socket {
	struct qos_supervisor *supervisor;
	sd_event *event;
	sd_event_source *listener;
	sd_event_source *pause; /* enabled: there were too many in the last second */
	struct qos_rate accepted;
	int fd;
	int spare_fd;
	char *path;
	struct client clients[QOS_METRICS_CLIENTS_MAX];
};

/* --- answers --- */

static void answer_head(struct qos_buf *out, const char *status, const char *type, size_t len)
{
	qos_buf_add(out,
		    "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		    "Connection: close\r\n\r\n",
		    status, type, len);
}

static void answer_words(struct qos_buf *out, const char *status, const char *words)
{
	answer_head(out, status, "text/plain; charset=utf-8", strlen(words));
	qos_buf_add(out, "%s", words);
}

static void answer_metrics(struct client *client, enum qos_metrics_form form)
{
	static const char *const types[] = {
		[QOS_METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[QOS_METRICS_OPEN] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	};
	const struct qos_buf *text;

	if (qos_metrics_text(client->server->supervisor, form, &text) < 0) {
		answer_words(&client->answer, "500 Internal Server Error", "out of memory\n");
		return;
	}
	answer_head(&client->answer, "200 OK", types[form], text->len);
	qos_buf_add_bytes(&client->answer, text->text, text->len);
}

/* Whoever understands OpenMetrics says so; everybody reads the other form. How much either is liked (q=)
 * is not asked. */
static enum qos_metrics_form form_of(const char *request)
{
	static const char open[] = "application/openmetrics-text";
	const char *line = strcasestr(request, "\naccept:");
	const char *found = line ? strcasestr(line, open) : NULL;

	return found && found < line + 1 + strcspn(line + 1, "\n") ? QOS_METRICS_OPEN
								   : QOS_METRICS_TEXT;
}

static void answer(struct client *client)
{
	static const char get[] = "GET ", path[] = "/metrics";
	const char *target = client->request + strlen(get);
	size_t len;

	if (strncmp(client->request, get, strlen(get)) != 0) {
		answer_words(&client->answer, "405 Method Not Allowed",
			     "only GET is served here\n");
		return;
	}
	len = strcspn(target, " ?\r\n");
	if (len != strlen(path) || memcmp(target, path, len) != 0)
		answer_words(&client->answer, "404 Not Found", "only /metrics is served here\n");
	else
		answer_metrics(client, form_of(client->request));
}

/* --- clients --- */

static void listen_again(struct qos_metrics_socket *server)
{
	if (sd_event_source_get_enabled(server->pause, NULL) == 0)
		sd_event_source_set_enabled(server->listener, SD_EVENT_ON);
}

static void drop(struct client *client)
{
	if (client->fd < 0)
		return;
	client->io = sd_event_source_disable_unref(client->io);
	client->deadline = sd_event_source_disable_unref(client->deadline);
	close(client->fd);
	client->fd = -1;
	qos_buf_reset(&client->answer);
	listen_again(client->server);
}

/* True: it is complete, or as long as it may be. */
static bool take_request(struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->n_request,
			 QOS_METRICS_REQUEST_MAX - client->n_request, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		drop(client);
		return false;
	}
	client->n_request += (size_t)n;
	client->request[client->n_request] = '\0';
	return strstr(client->request, "\r\n\r\n") || strstr(client->request, "\n\n") ||
	       client->n_request == QOS_METRICS_REQUEST_MAX;
}

static void send_some(struct client *client)
{
	ssize_t n = send(client->fd, client->answer.text + client->sent,
			 client->answer.len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	client->sent += n > 0 ? (size_t)n : 0;
	if (n >= 0 && client->sent < client->answer.len)
		return;
	if (n < 0 || shutdown(client->fd, SHUT_WR) < 0 ||
	    sd_event_source_set_io_events(client->io, EPOLLIN) < 0)
		drop(client);
}

/* Who closes with bytes unread takes the answer away from the other side. */
static void throw_away(struct client *client)
{
	ssize_t n = recv(client->fd, client->request, QOS_METRICS_REQUEST_MAX, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(client);
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct client *client = data;

	if (client->answer.text && client->sent == client->answer.len) {
		throw_away(client);
		return 0;
	}
	if (client->answer.text) {
		send_some(client);
		return 0;
	}
	if (!take_request(client))
		return 0;
	if (client->n_request == QOS_METRICS_REQUEST_MAX)
		answer_words(&client->answer, "431 Request Header Fields Too Large",
			     "the request is too long\n");
	else
		answer(client);
	if (client->answer.error || sd_event_source_set_io_events(client->io, EPOLLOUT) < 0)
		drop(client);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
	drop(data);
	return 0;
}

static int watch(struct client *client)
{
	sd_event *event = client->server->event;
	int r;

	r = sd_event_add_io(event, &client->io, client->fd, EPOLLIN, on_client, client);
	if (r >= 0)
		r = sd_event_source_set_priority(client->io, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &client->deadline, CLOCK_MONOTONIC,
					       QOS_METRICS_DEADLINE_US, 0, on_deadline, client);
	if (r >= 0)
		r = sd_event_source_set_priority(client->deadline, SD_EVENT_PRIORITY_IDLE);
	return r;
}

static struct client *free_slot(struct qos_metrics_socket *server)
{
	for (size_t i = 0; i < QOS_METRICS_CLIENTS_MAX; i++) {
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	}
	return NULL;
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data)
{
	listen_again(data);
	return 0;
}

static bool are_too_many(struct qos_metrics_socket *server)
{
	return qos_rate_count(&server->accepted, qos_clock_ns(CLOCK_MONOTONIC)) >
	       QOS_METRICS_RATE_MAX;
}

static int pause_listening(struct qos_metrics_socket *server)
{
	int r = sd_event_source_set_time_relative(server->pause, 1000000);

	if (r >= 0)
		r = sd_event_source_set_enabled(server->pause, SD_EVENT_ONESHOT);
	return r < 0 ? r : sd_event_source_set_enabled(server->listener, SD_EVENT_OFF);
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct qos_metrics_socket *server = data;
	struct client *client = free_slot(server);
	int peer_fd;

	if (!client)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (are_too_many(server))
		return pause_listening(server);
	peer_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer_fd < 0 && (errno == EMFILE || errno == ENFILE))
		qos_listen_turn_away(fd, &server->spare_fd);
	if (peer_fd < 0)
		return 0;
	*client = (struct client){.server = server, .fd = peer_fd};
	if (watch(client) < 0)
		drop(client);
	return 0;
}

/* --- the server --- */

int qos_metrics_socket_new(sd_event *event, const char *path, struct qos_supervisor *supervisor,
			   struct qos_metrics_socket **ret)
{
	_cleanup_metrics_socket_ struct qos_metrics_socket *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	*server = (struct qos_metrics_socket){
		.supervisor = supervisor, .event = event, .fd = -1, .spare_fd = -1};
	for (size_t i = 0; i < QOS_METRICS_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	r = server->spare_fd = qos_listen_spare();
	if (r < 0)
		return r;
	r = server->fd = qos_listen(path);
	if (r < 0)
		return r;
	server->path = strdup(path);
	if (!server->path)
		return -ENOMEM;
	r = sd_event_add_io(event, &server->listener, server->fd, EPOLLIN, on_connection, server);
	if (r >= 0)
		r = sd_event_source_set_priority(server->listener, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time(event, &server->pause, CLOCK_MONOTONIC, 0, 0, on_pause_over,
				      server);
	if (r >= 0)
		r = sd_event_source_set_enabled(server->pause, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void qos_metrics_socket_free(struct qos_metrics_socket *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < QOS_METRICS_CLIENTS_MAX; i++)
		drop(&server->clients[i]);
	sd_event_source_disable_unref(server->listener);
	sd_event_source_disable_unref(server->pause);
	if (server->fd >= 0)
		close(server->fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	if (server->path)
		unlink(server->path);
	free(server->path);
	free(server);
}
