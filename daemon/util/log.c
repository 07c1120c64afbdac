/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal, or stderr where there is none. Each field is an iovec of its own: sd-journal sends
 * values that hold newlines with an explicit length, so a message that quotes hostile text cannot
 * forge a field. On stderr every line of a message gets its own prefix, for the same reason.
 * The choice is made once and kept in statics: a log is one for the whole process.
 * The journal is used only where stderr is the journal's own stream: who redirects stderr to a file
 * wants to find the lines there. On stderr the contract and the stream stand before the message.
 * Weakness: a journal that goes away later is noticed only by the failing send, whose line then
 * goes to stderr.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "util/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "util/cleanup.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX     (6 + QOS_LOG_FIELDS_MAX)

static int log_level = LOG_INFO;
static bool log_journal;
static bool log_prefix = true;

/* JOURNAL_STREAM is "device:inode" of the stream that the service manager gave us; stderr may have
 * been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void qos_log_open(int level)
{
	log_level = level;
	log_prefix = !isatty(STDERR_FILENO);
	log_journal = access(JOURNAL_SOCKET, W_OK) == 0 && stderr_is_journal();
}

/* Control bytes could drive a terminal. */
static void print_line(int level, const char *contract, const char *stream, const char *line,
		       size_t len)
{
	if (log_prefix)
		fprintf(stderr, "<%d>", level);
	if (contract)
		fprintf(stderr, "%s%s%s: ", contract, stream ? "/" : "", stream ? stream : "");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		putc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, stderr);
	}
	putc('\n', stderr);
}

static void to_stderr(int level, const char *contract, const char *stream, const char *message)
{
	flockfile(stderr);
	for (;;) {
		size_t len = strcspn(message, "\n");

		print_line(level, contract, stream, message, len);
		message += len;
		if (*message == '\0' || *++message == '\0')
			break;
	}
	funlockfile(stderr);
}

/* Appends NAME=value; skipped without a value or without memory. */
static size_t add_field(struct iovec *fields, size_t n, const char *name, const char *value)
{
	char *text;
	int len;

	if (!value)
		return n;
	len = asprintf(&text, "%s=%s", name, value);
	if (len < 0)
		return n;
	fields[n] = (struct iovec){.iov_base = text, .iov_len = (size_t)len};
	return n + 1;
}

static int to_journal(int level, const char *message_id, const char *contract, const char *stream,
		      const struct qos_log_field *more, const char *message)
{
	char priority[2] = {(char)('0' + (level & LOG_PRIMASK)), '\0'};
	struct iovec fields[FIELDS_MAX];
	size_t n = 0;
	int r;

	n = add_field(fields, n, "MESSAGE", message);
	n = add_field(fields, n, "PRIORITY", priority);
	n = add_field(fields, n, "SYSLOG_IDENTIFIER", "qosd");
	n = add_field(fields, n, "MESSAGE_ID", message_id);
	n = add_field(fields, n, "QOS_CONTRACT", contract);
	n = add_field(fields, n, "QOS_STREAM", stream);
	for (; more && more->name && n < FIELDS_MAX; more++)
		n = add_field(fields, n, more->name, more->value);
	r = sd_journal_sendv(fields, (int)n);
	while (n > 0)
		free(fields[--n].iov_base);
	return r;
}

void qos_log_fields(int level, const char *message_id, const char *contract, const char *stream,
		    const struct qos_log_field *fields, const char *text)
{
	if (LOG_PRI(level) > log_level)
		return;
	if (log_journal && to_journal(level, message_id, contract, stream, fields, text) >= 0)
		return;
	to_stderr(LOG_PRI(level), contract, stream, text);
}

void qos_log(int level, const char *message_id, const char *contract, const char *stream,
	     const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;

	if (LOG_PRI(level) > log_level)
		return;
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (!message)
		to_stderr(LOG_PRI(level), NULL, NULL, "a message was lost: out of memory");
	else
		qos_log_fields(level, message_id, contract, stream, NULL, message);
}
