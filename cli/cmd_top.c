/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * top: the screen. Signals are taken from a descriptor, so that whatever ends it goes through one place,
 * which gives the terminal back. A daemon that goes away is waited for, in words on the screen.
 * Weakness: while the daemon is asked, which may take it as long as the client's patience, keys wait.
 */
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>

#include "cli.h"
#include "client.h"
#include "top_model.h"
#include "util/clock.h"
#include "watch.h"

#define INTERVAL_NS 1000000000ULL
#define KEY_ESCAPE  27
#define ROWS_ABOVE  3 /* how it is, what is shown, titles */

struct screen {
	struct qos_cli *cli;
	json_t *before;
	json_t *now; /* NULL: the daemon does not answer */
	char *trouble;
	struct qos_top_view view;
	size_t first; /* row at the top */
	bool typing;  /* keys go to the filter */
	bool ended;
	bool coloured;
};

/* --- drawing --- */

static int attribute(const struct screen *screen, enum qos_paint paint)
{
	static const int pairs[QOS_PAINT_COUNT] = {[QOS_GOOD] = 1, [QOS_WARN] = 2, [QOS_BAD] = 3};

	if (screen->coloured && pairs[paint])
		return COLOR_PAIR(pairs[paint]);
	return paint == QOS_BAD || paint == QOS_BOLD ? (int)A_BOLD : 0;
}

static void put(const struct screen *screen, int y, int attributes, const char *text)
{
	if (y < 0 || y >= LINES)
		return;
	attrset((attr_t)attributes);
	mvaddnstr(y, 0, text, COLS);
	if ((int)strlen(text) < COLS)
		hline(' ', COLS - (int)strlen(text));
	attrset(A_NORMAL);
}

static void draw_state(const struct screen *screen)
{
	const char *words, *state = qos_json_text(screen->now, "state", "");
	char line[QOS_TOP_LINE_MAX], age[QOS_OUT_NUMBER_MAX];
	enum qos_paint paint = QOS_BAD;

	if (!screen->now) {
		put(screen, 0, attribute(screen, QOS_BAD),
		    screen->trouble ? screen->trouble : "qosd does not answer");
		return;
	}
	words = qos_out_overall(state, &paint);
	snprintf(line, sizeof(line), "qosd %s: %s; up %s",
		 qos_json_text(screen->now, "version", "?"), words,
		 qos_out_age(age, sizeof(age), qos_json_int(screen->now, "uptime_s", 0)));
	put(screen, 0, attribute(screen, paint), line);
}

static void draw_view(const struct screen *screen, const struct qos_top *top)
{
	char line[QOS_TOP_LINE_MAX];

	if (screen->typing || *screen->view.filter)
		snprintf(line, sizeof(line), "%zu of %zu streams by %s, filter: %s%s", top->n,
			 top->n_all, qos_top_key_names[screen->view.key], screen->view.filter,
			 screen->typing ? "_" : "");
	else
		snprintf(line, sizeof(line), "%zu streams by %s", top->n,
			 qos_top_key_names[screen->view.key]);
	put(screen, 1, A_NORMAL, line);
}

static enum qos_paint paint_of(const struct qos_top_row *row)
{
	if (row->violation_rate > 0)
		return QOS_BAD;
	if (row->late_rate > 0)
		return QOS_WARN;
	return row->paint == QOS_GOOD ? QOS_PLAIN : row->paint;
}

static size_t page(void)
{
	return LINES > ROWS_ABOVE + 1 ? (size_t)LINES - ROWS_ABOVE - 1 : 0;
}

static void draw_rows(const struct screen *screen, const struct qos_top *top)
{
	char line[QOS_TOP_LINE_MAX];

	put(screen, 2, A_REVERSE, qos_top_line(line, (size_t)COLS, NULL));
	for (size_t i = 0; i < page(); i++) {
		size_t at = screen->first + i;
		const struct qos_top_row *row = at < top->n ? &top->rows[at] : NULL;

		put(screen, ROWS_ABOVE + (int)i, row ? attribute(screen, paint_of(row)) : 0,
		    row ? qos_top_line(line, (size_t)COLS, row) : "");
	}
	put(screen, LINES - 1, A_DIM,
	    screen->typing ? "Enter: done  Esc: no filter"
			   : "q quit  / filter  sort: n name u used l late v viol p latency");
}

static int draw(struct screen *screen)
{
	_cleanup_top_ struct qos_top top = {};
	size_t last;

	if (qos_top_rows(screen->before, screen->now, &screen->view, &top) < 0)
		return qos_cli_no_memory(screen->cli);
	last = top.n > page() ? top.n - page() : 0;
	screen->first = screen->first < last ? screen->first : last;
	erase();
	draw_state(screen);
	draw_view(screen, &top);
	draw_rows(screen, &top);
	refresh();
	return QOS_EXIT_OK;
}

/* --- what changes it --- */

static void ask(struct screen *screen)
{
	_cleanup_answer_ struct qos_answer answer = {};

	free(screen->trouble);
	screen->trouble = NULL;
	json_decref(screen->before);
	screen->before = TAKE_PTR(screen->now);
	if (qos_client_call(screen->cli->socket, &answer, "Report", "ss", "top", ""))
		screen->trouble = TAKE_PTR(answer.text);
	else
		screen->now = TAKE_PTR(answer.json);
	if (screen->trouble) /* one line of it is shown */
		screen->trouble[strcspn(screen->trouble, "\n")] = '\0';
}

static void type(struct screen *screen, int key)
{
	char *filter = screen->view.filter;
	size_t len = strlen(filter);

	if (key == '\r' || key == '\n' || key == KEY_ENTER) {
		screen->typing = false;
	} else if (key == KEY_ESCAPE) {
		screen->typing = false;
		*filter = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len) {
		filter[len - 1] = '\0';
	} else if (key > ' ' && key < 127 && len + 1 < QOS_TOP_FILTER_MAX) {
		filter[len] = (char)key;
		filter[len + 1] = '\0';
	}
}

static void scroll_by(struct screen *screen, size_t n, bool down)
{
	if (down)
		screen->first += n;
	else
		screen->first -= screen->first < n ? screen->first : n;
}

static void command(struct screen *screen, int key)
{
	static const char sorts[QOS_TOP_KEYS + 1] = "nulvp"; /* in the order of the keys */
	const char *sort = key > 0 && key < 128 ? strchr(sorts, key) : NULL;

	if (sort)
		screen->view.key = (enum qos_top_key)(sort - sorts);
	switch (key) {
	case 'q':
		screen->ended = true;
		break;
	case '/':
		screen->typing = true;
		break;
	case KEY_ESCAPE:
		*screen->view.filter = '\0';
		break;
	case KEY_UP:
	case KEY_DOWN:
		scroll_by(screen, 1, key == KEY_DOWN);
		break;
	case KEY_PPAGE:
	case KEY_NPAGE:
		scroll_by(screen, page(), key == KEY_NPAGE);
		break;
	case KEY_HOME:
		screen->first = 0;
		break;
	}
}

/* A terminal that hung up says nothing for ever. */
static void take_keys(struct screen *screen, short revents)
{
	int key;

	screen->ended |= (revents & (POLLHUP | POLLERR | POLLNVAL)) && !(revents & POLLIN);
	while ((key = getch()) != ERR) {
		if (screen->typing)
			type(screen, key);
		else
			command(screen, key);
	}
}

static void take_signal(struct screen *screen, int fd)
{
	struct signalfd_siginfo info;
	struct winsize size;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGWINCH)
		screen->ended = true;
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
}

/* --- the loop --- */

static int loop(struct screen *screen, int signals)
{
	uint64_t interval_ns = screen->cli->watch ? screen->cli->watch_ns : INTERVAL_NS;
	uint64_t due_ns = qos_clock_ns(CLOCK_MONOTONIC) + interval_ns;
	int r = draw(screen);

	while (r == QOS_EXIT_OK && !screen->ended) {
		struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				       {.fd = signals, .events = POLLIN}};
		uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC), left_ms;

		if (now_ns >= due_ns) {
			ask(screen);
			due_ns = now_ns + interval_ns;
			r = draw(screen);
			continue;
		}
		left_ms = (due_ns - now_ns) / 1000000 + 1;
		if (poll(fds, 2, left_ms < 1000 ? (int)left_ms : 1000) < 0 && errno != EINTR)
			return QOS_EXIT_FAILURE;
		if (fds[1].revents)
			take_signal(screen, signals);
		if (fds[0].revents)
			take_keys(screen, fds[0].revents);
		r = draw(screen);
	}
	return r;
}

static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void colours(struct screen *screen)
{
	screen->coloured = screen->cli->out.colour && has_colors() && start_color() == OK &&
			   use_default_colors() == OK;
	if (!screen->coloured)
		return;
	init_pair(1, COLOR_GREEN, -1);
	init_pair(2, COLOR_YELLOW, -1);
	init_pair(3, COLOR_RED, -1);
}

static int show(struct screen *screen)
{
	_cleanup_close_ int signals = take_signals();
	SCREEN *terminal;
	int r;

	if (signals < 0)
		return qos_cli_fail(screen->cli, QOS_EXIT_FAILURE, NULL, "%s", strerror(errno));
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal || !tigetstr("cup")) {
		if (terminal)
			endwin();
		return qos_cli_fail(screen->cli, QOS_EXIT_FAILURE,
				    "`qosctl --watch status` needs less of it",
				    "top cannot draw on a terminal of type \"%s\"",
				    getenv("TERM") ? getenv("TERM") : "");
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	colours(screen);
	r = loop(screen, signals);
	endwin();
	delscreen(terminal);
	return r;
}

static int draw_json(struct qos_cli *cli, const struct qos_out *out)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "top", ""))
		return qos_client_complain(cli, &answer);
	qos_out_json(out, answer.json, cli->watch);
	return QOS_EXIT_OK;
}

int qos_cmd_top(struct qos_cli *cli)
{
	struct screen screen = {.cli = cli, .view = {.key = QOS_TOP_BY_VIOLATIONS}};
	_cleanup_answer_ struct qos_answer answer = {};
	int r;

	if (cli->json)
		return qos_watch(cli, draw_json);
	if (!cli->out.width || !isatty(STDIN_FILENO))
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "`qosctl status` prints once, `qosctl --json top` for programs",
				    "top needs a terminal");
	if (qos_client_call(cli->socket, &answer, "Report", "ss", "top", ""))
		return qos_client_complain(cli, &answer);
	screen.now = TAKE_PTR(answer.json);
	r = show(&screen);
	json_decref(screen.before);
	json_decref(screen.now);
	free(screen.trouble);
	return r;
}
