/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watching. Each picture is made in memory and written at once, so a slow daemon never leaves half
 * of one; on a terminal it is drawn on the other screen, and ^C gives the first one back.
 */
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_END     "\033[K\n"
#define SCREEN_END   "\033[J"

/* At most as many lines as the terminal has: a longer picture would scroll. */
static void show(FILE *to, const char *picture)
{
	struct winsize size = {};
	size_t rows = SIZE_MAX;

	if (ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_row > 1)
		rows = size.ws_row - 1U;
	fputs(SCREEN_HOME, to);
	for (size_t i = 0; i < rows && *picture; i++) {
		size_t len = strcspn(picture, "\n");

		fprintf(to, "%.*s" LINE_END, (int)len, picture);
		picture += len + (picture[len] == '\n');
	}
	fputs(SCREEN_END, to);
}

static int draw_picture(struct qos_cli *cli, qos_draw_fn draw, bool screen)
{
	_cleanup_free_ char *picture = NULL;
	struct qos_out out = cli->out;
	size_t len;
	int r;

	out.file = open_memstream(&picture, &len);
	if (!out.file)
		return qos_cli_no_memory(cli);
	r = draw(cli, &out);
	if (fclose(out.file) != 0)
		return qos_cli_no_memory(cli);
	if (screen)
		show(cli->out.file, picture);
	else
		fputs(picture, cli->out.file);
	return fflush(cli->out.file) == 0 ? r : QOS_EXIT_FAILURE;
}

bool qos_watch_pause(uint64_t ns, const sigset_t *signals)
{
	struct timespec interval = {.tv_sec = (time_t)(ns / 1000000000),
				    .tv_nsec = (long)(ns % 1000000000)};

	return sigtimedwait(signals, NULL, &interval) > 0;
}

static int watch(struct qos_cli *cli, qos_draw_fn draw, bool screen)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	do
		r = draw_picture(cli, draw, screen);
	while (r == QOS_EXIT_OK && !qos_watch_pause(cli->watch_ns, &signals));
	return r;
}

/* What goes to stderr would vanish with the other screen, so it waits. */
static int watch_screen(struct qos_cli *cli, qos_draw_fn draw)
{
	_cleanup_free_ char *errors = NULL;
	FILE *err = cli->err.file;
	size_t len;
	int r;

	cli->err.file = open_memstream(&errors, &len);
	if (!cli->err.file) {
		cli->err.file = err;
		return qos_cli_no_memory(cli);
	}
	fputs(SCREEN_ENTER, cli->out.file);
	r = watch(cli, draw, true);
	fputs(SCREEN_LEAVE, cli->out.file);
	fflush(cli->out.file);
	if (fclose(cli->err.file) == 0)
		fputs(errors, err);
	cli->err.file = err;
	return r;
}

int qos_watch(struct qos_cli *cli, qos_draw_fn draw)
{
	if (!cli->watch)
		return draw(cli, &cli->out);
	if (cli->out.width > 0 && !cli->json)
		return watch_screen(cli, draw);
	return watch(cli, draw, false);
}
