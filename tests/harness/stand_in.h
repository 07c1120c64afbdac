/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs qosctl as a person would, beside a child process that stands in for the daemon on a private
 * bus of its own and answers from a table. Behind <cmocka.h>; QOSCTL is the program's path.
 */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "util/cleanup.h"

#define ARGS_MAX  12
#define TEXT_SIZE 65536

/* What the stand-in says to one method; `error` as in org.qosd1.Error.ERROR. */
struct reply {
	const char *method;
	const char *what; /* Report's first argument; NULL: any */
	const char *json;
	const char *error;
	const char *text;
	const char *events[3]; /* said before the answer and behind it; then the daemon goes */
};

struct fixture {
	char dir[64];
	char socket[96];
	pid_t server;
};

struct result {
	int status;
	char out[TEXT_SIZE];
	char err[TEXT_SIZE];
};

static inline void emit(sd_bus *bus, const char *event)
{
	if (event)
		sd_bus_emit_signal(bus, "/org/qosd1", "org.qosd1.Manager", "Event", "s", event);
}

static inline int answer(sd_bus_message *call, void *data, sd_bus_error *error)
{
	const char *what = NULL;

	if (sd_bus_message_has_signature(call, "ss"))
		sd_bus_message_read(call, "s", &what);
	for (const struct reply *reply = data; reply->method; reply++) {
		char name[64];

		if (strcmp(sd_bus_message_get_member(call), reply->method) ||
		    (reply->what && (!what || strcmp(what, reply->what))))
			continue;
		snprintf(name, sizeof(name), "org.qosd1.Error.%s",
			 reply->error ? reply->error : "");
		if (reply->error)
			return sd_bus_reply_method_errorf(call, name, "%s", reply->text);
		emit(sd_bus_message_get_bus(call), reply->events[0]);
		sd_bus_reply_method_return(call, "s", reply->json);
		emit(sd_bus_message_get_bus(call), reply->events[1]);
		emit(sd_bus_message_get_bus(call), reply->events[2]);
		if (reply->events[0])
			sd_bus_close(sd_bus_message_get_bus(call));
		return 1;
	}
	return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Untold", "not in the table");
}

static inline void serve_one(int fd, const struct reply *replies)
{
	sd_bus *bus = NULL;
	sd_id128_t id = {};
	int r = 0;

	assert_true(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fd, fd) >= 0 &&
		    sd_bus_set_server(bus, 1, id) >= 0 &&
		    sd_bus_add_object(bus, NULL, "/org/qosd1", answer, (void *)replies) >= 0 &&
		    sd_bus_start(bus) >= 0);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	sd_bus_flush_close_unref(bus);
}

static inline void start_server(struct fixture *fixture, const struct reply *replies)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, fixture->socket, strlen(fixture->socket) + 1);
	unlink(fixture->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	fixture->server = fork();
	assert_true(fixture->server >= 0);
	if (fixture->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			serve_one(accept4(fd, NULL, NULL, SOCK_CLOEXEC), replies);
	}
	close(fd);
}

static inline void stop_server(struct fixture *fixture)
{
	if (fixture->server <= 0)
		return;
	kill(fixture->server, SIGKILL);
	waitpid(fixture->server, NULL, 0);
	fixture->server = 0;
	unlink(fixture->socket);
}

static inline void read_back(int fd, char *text)
{
	ssize_t n = pread(fd, text, TEXT_SIZE - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
}

/* Words of `line` are split at blanks; the socket and the directory go first. Closes `out`. */
static inline void run_into(const struct fixture *fixture, const char *line, int out,
			    struct result *result)
{
	const char *argv[ARGS_MAX + 8] = {QOSCTL, "--socket", fixture->socket, "--contracts",
					  fixture->dir};
	_cleanup_free_ char *words = strdup(line);
	int err = open(fixture->dir, O_TMPFILE | O_RDWR, 0600);
	size_t n = 5;
	int status;
	pid_t pid;

	assert_true(out >= 0 && err >= 0);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[n++] = word;
	pid = fork();
	if (pid == 0) {
		if (chdir(fixture->dir) < 0)
			_exit(99);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execv(QOSCTL, (char **)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	result->status = WEXITSTATUS(status);
	read_back(out, result->out);
	read_back(err, result->err);
}

static inline void run(const struct fixture *fixture, const char *line, struct result *result)
{
	run_into(fixture, line, open(fixture->dir, O_TMPFILE | O_RDWR, 0600), result);
}

static inline void write_file(const struct fixture *fixture, const char *name, const char *text)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
}
