/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's side of its parser.
 *
 * It is spawned, not forked: a copy of locked memory would make the daemon fault on its own pages. It runs
 * with the daemon's own policy, since the daemon waits for it and would otherwise wait for ordinary
 * threads. It ends with its socket.
 *
 * Weakness: the daemon waits, as it did when it parsed itself; a parser that somebody took over can make it wait
 * for QOS_PARSER_WAIT_NS, and can lie about every file that it is asked for until the next rest. Whoever may write
 * one contract may write any, so that is nothing new to him; settings are read by one that has seen nothing else.
 */
#include "kern/parser.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "contract/print.h"
#include "extension/front_wire.h"
#include "kern/proc.h"
#include "kern/sched.h"
#include "util/clock.h"

#define CHUNK	 16384
#define DYING_MS 200 /* from closing its socket to the end of the process */
#define MS	 1000000

struct qos_parser {
	const char *program;
	struct qos_front front;
	pid_t pid; /* 0: none */
	int socket;
	uint64_t waited_ns; /* since the last rest */
	uint64_t budget_ns;
	bool starved; /* it was given more time */
	char end[96]; /* why there was no answer */
};

/* --- the process --- */

static void end(struct qos_parser *parser)
{
	bool dies;

	if (!parser->pid)
		return;
	close(TAKE_FD(parser->socket));
	dies = kill(parser->pid, SIGKILL) ==
	       0; /* a policy might forbid it: then it has lost its socket */
	waitpid(parser->pid, NULL, dies ? 0 : WNOHANG);
	parser->pid = 0;
}

/* The daemon's own policy, from before exec on. */
static int make_policy(posix_spawnattr_t *attributes, short *flags)
{
	struct sched_param param;
	struct qos_sched_attr attr;
	int r;

	if (qos_sched_get(0, &attr) < 0 || attr.policy != SCHED_FIFO)
		return 0;
	param.sched_priority = (int)attr.priority;
	*flags |= POSIX_SPAWN_SETSCHEDULER;
	r = posix_spawnattr_setschedpolicy(attributes, SCHED_FIFO);
	return r ?: posix_spawnattr_setschedparam(attributes, &param);
}

static int make_attributes(posix_spawnattr_t *attributes)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (!r)
		r = make_policy(attributes, &flags);
	if (!r)
		r = posix_spawnattr_setflags(attributes, flags);
	return -r;
}

/* Its standard input is the socket; what else it inherits it closes. */
static int spawn(const char *program, int socket, pid_t *ret)
{
	char *const arguments[] = {"qosd-parse", NULL}, *const environment[] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int r = -posix_spawn_file_actions_init(&files);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = make_attributes(&attributes);
		if (r == 0)
			r = -posix_spawn_file_actions_adddup2(&files, socket, STDIN_FILENO);
		if (r == 0)
			r = -posix_spawn(ret, program, &files, &attributes, arguments, environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static int start(struct qos_parser *parser)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], r;

	if (parser->pid)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = spawn(parser->program, theirs, &parser->pid);
	if (r < 0) {
		parser->pid = 0;
		return r;
	}
	parser->socket = TAKE_FD(ours);
	return 0;
}

/* It hung up, or ended. */
static void end_by_hangup(struct qos_parser *parser)
{
	int pidfd = (int)syscall(SYS_pidfd_open, parser->pid, 0);
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	siginfo_t info = {};

	if (pidfd >= 0) {
		poll(&wait, 1, DYING_MS);
		close(pidfd);
	}
	waitid(P_PID, (id_t)parser->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	if (!info.si_pid)
		snprintf(parser->end, sizeof(parser->end), "it hung up");
	else if (info.si_code == CLD_EXITED && info.si_status == QOS_FRONT_EXIT_OPEN)
		snprintf(parser->end, sizeof(parser->end), "it could not be shut in");
	else if (info.si_code == CLD_EXITED)
		snprintf(parser->end, sizeof(parser->end), "it ended with exit code %d",
			 info.si_status);
	else if (info.si_status == SIGSYS)
		snprintf(parser->end, sizeof(parser->end),
			 "it made a system call that it may not make");
	else
		snprintf(parser->end, sizeof(parser->end), "signal %d ended it", info.si_status);
	end(parser);
}

/* --- a question --- */

/* What is left of the budget, in ms for poll. */
static int patience(const struct qos_parser *parser, uint64_t began_ns)
{
	uint64_t used = parser->waited_ns + qos_clock_ns(CLOCK_MONOTONIC) - began_ns;

	return used < parser->budget_ns ? (int)((parser->budget_ns - used) / MS) + 1 : 0;
}

/* true: once, if it is not its fault. */
static bool give_time(struct qos_parser *parser)
{
	bool runnable = false;
	uint64_t ns;

	if (parser->starved || qos_proc_run_time(parser->pid, &runnable, &ns) < 0 || !runnable ||
	    ns > QOS_PARSER_WAIT_NS / 2)
		return false;
	parser->starved = true;
	parser->budget_ns += QOS_PARSER_STARVED_NS;
	return true;
}

/* 0 when the socket is ready; -ETIMEDOUT. */
static int wait_for(struct qos_parser *parser, short events, uint64_t began_ns)
{
	struct pollfd wait = {.fd = parser->socket, .events = events};
	int r;

	do {
		r = poll(&wait, 1, patience(parser, began_ns));
	} while ((r < 0 && errno == EINTR) || (r == 0 && give_time(parser)));
	return r < 0 ? -errno : r ? 0 : -ETIMEDOUT;
}

static int put(struct qos_parser *parser, const char *bytes, size_t len, uint64_t began_ns)
{
	while (len) {
		ssize_t n = send(parser->socket, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		r = errno == EAGAIN ? wait_for(parser, POLLOUT, began_ns) : -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

static int take(struct qos_parser *parser, char *to, size_t len, uint64_t began_ns)
{
	while (len) {
		ssize_t n = recv(parser->socket, to, len, MSG_DONTWAIT);
		int r;

		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			to += n;
			len -= (size_t)n;
			continue;
		}
		r = errno == EAGAIN ? wait_for(parser, POLLIN, began_ns) : -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Memory is had as bytes come, not as they are announced. */
static int take_answer(struct qos_parser *parser, uint64_t began_ns, struct qos_buf *answer)
{
	char chunk[CHUNK];
	uint32_t left = 0;
	int r = take(parser, (char *)&left, sizeof(left), began_ns);

	if (r == 0 && left > QOS_FRONT_ANSWER_MAX)
		return -EBADMSG;
	while (r == 0 && left) {
		uint32_t n = left < CHUNK ? left : CHUNK;

		r = take(parser, chunk, n, began_ns);
		qos_buf_add_bytes(answer, chunk, r ? 0 : n);
		left -= n;
	}
	return r ?: answer->error;
}

static int converse(struct qos_parser *parser, const struct qos_buf *asked, struct qos_buf *answer)
{
	uint64_t began_ns = qos_clock_ns(CLOCK_MONOTONIC);
	uint32_t len = (uint32_t)asked->len;
	int r;

	parser->budget_ns += QOS_PARSER_EACH_NS;
	r = put(parser, (const char *)&len, sizeof(len), began_ns);
	if (r == 0)
		r = put(parser, asked->text, asked->len, began_ns);
	if (r == 0)
		r = take_answer(parser, began_ns, answer);
	parser->waited_ns += qos_clock_ns(CLOCK_MONOTONIC) - began_ns;
	return r;
}

static void end_by(struct qos_parser *parser, int error)
{
	snprintf(parser->end, sizeof(parser->end), "%s",
		 error == -ETIMEDOUT ? "it took too long"
		 : error == -EBADMSG ? "what it answers makes no sense"
				     : strerror(-error));
	end(parser);
}

static bool is_death(int error)
{
	return error == -ECONNRESET || error == -EPIPE;
}

static int try_once(struct qos_parser *parser, const struct qos_buf *asked, struct qos_buf *answer)
{
	int r = start(parser);

	if (r < 0) {
		snprintf(parser->end, sizeof(parser->end), "it cannot be started: %s",
			 strerror(-r));
		return r;
	}
	r = converse(parser, asked, answer);
	if (is_death(r))
		end_by_hangup(parser);
	else if (r < 0)
		end_by(parser, r);
	return r;
}

/* 0, and an answer; -ENOMEM; another -errno: there is none, for the reason in parser->end. */
static int ask(struct qos_parser *parser, const struct qos_buf *asked, struct qos_buf *answer)
{
	int r;

	if (asked->error)
		return asked->error;
	if (asked->len > QOS_FRONT_ASK_MAX) {
		snprintf(parser->end, sizeof(parser->end), "file and overlays are more than %u KiB",
			 QOS_FRONT_ASK_MAX / 1024);
		return -E2BIG;
	}
	if (parser->waited_ns >= parser->budget_ns) {
		snprintf(parser->end, sizeof(parser->end), "it took too long for files before");
		return -ETIMEDOUT;
	}
	r = try_once(parser, asked, answer);
	if (is_death(r)) { /* anybody may have killed it */
		qos_buf_reset(answer);
		r = try_once(parser, asked, answer);
	}
	return r;
}

/* A mistake of the file. */
static int complain(const struct qos_parser *parser, const char *file, struct qos_diag *diag)
{
	struct qos_loc loc = {.file = file};

	qos_diag_error(diag, &loc, "the parser gave no answer: %s", parser->end);
	qos_diag_hint(diag, "qosctl check FILE reads it without the daemon; %s must be installed",
		      parser->program);
	return -EINVAL;
}

/* What came of the answer: nonsense ends the process. */
static int settle(struct qos_parser *parser, int r, const char *file, struct qos_diag *diag)
{
	if (r != -EBADMSG)
		return r;
	end_by(parser, r);
	return complain(parser, file, diag);
}

/* --- the front --- */

static int doc(void *data, const struct qos_text *text, struct qos_diag *diag, struct qos_doc **ret)
{
	struct qos_parser *parser = data;
	struct qos_buf asked = {}, answer = {};
	int r = qos_doc_check_size(text->file, text->len, diag);

	if (r < 0)
		return r;
	qos_front_ask(&asked, QOS_FRONT_DOC, 0, text, 1);
	r = ask(parser, &asked, &answer);
	if (r == 0)
		r = settle(parser, qos_front_take_doc(answer.text, answer.len, text, diag, ret),
			   text->file, diag);
	else if (r != -ENOMEM)
		r = complain(parser, text->file, diag);
	qos_buf_reset(&asked);
	qos_buf_reset(&answer);
	return r;
}

static int rules(void *data, const struct qos_text *texts, size_t n, struct qos_diag *diag)
{
	struct qos_parser *parser = data;
	struct qos_buf asked = {}, answer = {};
	int r;

	qos_front_ask(&asked, QOS_FRONT_RULES, 0, texts, n);
	r = ask(parser, &asked, &answer);
	if (r == 0)
		r = settle(parser, qos_front_take_rules(answer.text, answer.len, texts, n, diag),
			   texts[0].file, diag);
	else if (r != -ENOMEM)
		r = complain(parser, texts[0].file, diag);
	qos_buf_reset(&asked);
	qos_buf_reset(&answer);
	return r;
}

/* The contract goes as it is printed: its files may be others by now. */
static int image(void *data, const struct qos_contract *contract, enum qos_rules_target target,
		 struct qos_diag *diag, struct qos_image **ret)
{
	struct qos_parser *parser = data;
	struct qos_buf asked = {}, answer = {}, text = {};
	struct qos_text printed;
	int r;

	qos_contract_print(contract, &text);
	printed = (struct qos_text){.bytes = text.text, .len = text.len};
	qos_front_ask(&asked, QOS_FRONT_IMAGE, target, &printed, 1);
	r = text.error ?: ask(parser, &asked, &answer);
	if (r == 0)
		r = settle(parser,
			   qos_front_take_image(answer.text, answer.len, contract, diag, ret),
			   contract->loc.file, diag);
	else if (r != -ENOMEM)
		r = complain(parser, contract->loc.file, diag);
	qos_buf_reset(&text);
	qos_buf_reset(&asked);
	qos_buf_reset(&answer);
	return r;
}

static void rest(void *data)
{
	struct qos_parser *parser = data;

	end(parser);
	parser->waited_ns = 0;
	parser->starved = false;
	parser->budget_ns = QOS_PARSER_WAIT_NS;
}

int qos_parser_new(const char *program, struct qos_parser **ret)
{
	struct qos_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return -ENOMEM;
	parser->program = program;
	parser->socket = -1;
	parser->budget_ns = QOS_PARSER_WAIT_NS;
	parser->front = (struct qos_front){
		.doc = doc, .rules = rules, .image = image, .rest = rest, .data = parser};
	*ret = parser;
	return 0;
}

void qos_parser_free(struct qos_parser *parser)
{
	if (!parser)
		return;
	end(parser);
	free(parser);
}

const struct qos_front *qos_parser_front(const struct qos_parser *parser)
{
	return &parser->front;
}
