/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qosd-parse: reads contracts, settings and rules for the daemon, and has nothing else. The socket at standard
 * input brings a question, its length first, and takes the answer (extension/front_wire.h); at its end the
 * program ends. Linked like any program and not statically: a libyaml that is mended is mended here too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "extension/front_wire.h"
#include "parser/confine.h"

static bool take(char *to, size_t len)
{
	while (len) {
		ssize_t n = read(STDIN_FILENO, to, len);

		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool put(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDIN_FILENO, bytes, len);

		if (n < 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* false: that was all. */
static bool serve(void)
{
	_cleanup_free_ char *asked = NULL;
	struct qos_buf answer = {};
	uint32_t len;
	bool done;

	if (!take((char *)&len, sizeof(len)) || len > QOS_FRONT_ASK_MAX)
		return false;
	asked = malloc(len + 1);
	if (!asked || !take(asked, len) || qos_front_answer(asked, len, &answer) < 0)
		return false;
	len = (uint32_t)answer.len;
	done = put((const char *)&len, sizeof(len)) && put(answer.text, answer.len);
	qos_buf_reset(&answer);
	return done;
}

int main(void)
{
	if (qos_parser_confine() < 0)
		return QOS_FRONT_EXIT_OPEN;
	while (serve())
		;
	return 0;
}
