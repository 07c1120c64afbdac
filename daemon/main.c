/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event loop: signals, the monitor's ring, the slow loop's clock, the
 * bus, the service manager's watchdog. Decides nothing; every source ends in one supervisor call.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus.h"
#include "extend.h"
#include "kern/parser.h"
#include "kern/sched.h"
#include "metrics_socket.h"
#include "module.h"
#include "network.h"
#include "state/store.h"
#include "supervisor.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define DIRS_MAX	 16
#define TURN_ACCURACY_US 1000 /* 0 would be sd-event's own, a quarter of a second */

struct daemon {
	struct qos_options options;
	const char *parser_path;
	struct qos_parser *parser;
	const char *paths[DIRS_MAX + 1];
	size_t n_paths;
	int log_level;
	bool check_config;
	struct qos_supervisor *supervisor;
	struct qos_bus *bus;
	struct qos_metrics_socket *metrics;
	sd_event *event;
};

/* --- sources --- */

static int on_monitor(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_supervisor_events(daemon->supervisor);
	return 0;
}

static int on_module(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_module_dispatch(daemon->supervisor);
	return 0;
}

static int on_extension(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_extend_dispatch(daemon->supervisor);
	return 0;
}

static int on_network(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_network_dispatch(daemon->supervisor);
	return 0;
}

static int on_sandbox(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_extend_sandbox_dispatch(daemon->supervisor);
	return 0;
}

static int on_tick(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct daemon *daemon = data;

	qos_extend_tick(daemon->supervisor);
	return 0;
}

static int on_lease(sd_event_source *source, uint64_t usec, void *data)
{
	struct daemon *daemon = data;

	qos_module_renew(daemon->supervisor);
	sd_event_source_set_time_relative(source, daemon->supervisor->config.lease_ns / 3000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_turn(sd_event_source *source, uint64_t usec, void *data)
{
	struct daemon *daemon = data;

	qos_supervisor_turn(daemon->supervisor, qos_clock_ns(CLOCK_BOOTTIME));
	sd_event_source_set_time_relative(source, daemon->supervisor->config.slow_loop_ns / 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static void reload(struct daemon *daemon, uint32_t uid)
{
	const struct qos_asker asker = {.how = "SIGHUP", .uid = uid};
	struct qos_reload_summary summary = {};
	int r;

	sd_notify(0, "RELOADING=1");
	daemon->supervisor->asker = &asker;
	r = qos_supervisor_reload(daemon->supervisor, &summary);
	daemon->supervisor->asker = NULL;
	if (r >= 0)
		qos_log(LOG_INFO, NULL, NULL, NULL,
			"reloaded: %zu changed, %zu as before, %zu removed, %zu refused, %zu "
			"invalid",
			summary.n_changed, summary.n_unchanged, summary.n_removed,
			summary.n_refused, summary.n_invalid);
	sd_notify(0, "READY=1");
}

static int on_hup(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct daemon *daemon = data;

	reload(daemon, info->ssi_uid);
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct daemon *daemon = data;

	sd_notify(0, "STOPPING=1");
	return sd_event_exit(daemon->event, 0);
}

/* --- start --- */

static int raise_to(uint32_t priority)
{
	const struct qos_sched_attr attr = {
		.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = priority};

	return qos_sched_set(0, &attr);
}

/* Above ordinary threads before all the work of a start, and before the parser is spawned, so that under load
 * a killed daemon is back soon. Where it belongs it learns from its settings. */
static void raise_early(void)
{
	raise_to(1);
}

/* Above what anybody may run, below what contracts were promised: nothing that users can cause here
 * disturbs a proof. Overruns are cut by a thread of their own (service/enforcer.c). */
static void raise_self(const struct qos_config *config)
{
	int r = raise_to(config->band_first > 1 ? config->band_first - 1 : 1);

	if (r < 0)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"cannot run above ordinary threads (%s): contracts come into force late "
			"under load",
			strerror(-r));
}

static void lock_memory(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		qos_log(LOG_INFO, QOS_MSG_KERNEL, NULL, NULL, "memory is not locked: %s",
			strerror(errno));
}

/* One event descriptor a watched thread: as many as the system gives. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int take_lock(const char *run_dir)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = qos_file_mkdirs(run_dir, 0755);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/lock", run_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = qos_file_lock(fd);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

/* What the kernel says goes before all else. */
static int add_important(struct daemon *daemon, int fd, sd_event_io_handler_t handler)
{
	sd_event_source *source = NULL;
	int r;

	r = sd_event_add_io(daemon->event, &source, fd, EPOLLIN, handler, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_source_set_floating(source, 1);
	sd_event_source_unref(source);
	return r;
}

static int add_sources(struct daemon *daemon)
{
	static const int stops[] = {SIGTERM, SIGINT};
	sd_event *event = daemon->event;
	int r;

	r = sd_event_add_signal(event, NULL, SIGHUP, on_hup, daemon);
	for (size_t i = 0; r >= 0 && i < QOS_ARRAY_SIZE(stops); i++)
		r = sd_event_add_signal(event, NULL, stops[i], on_stop, daemon);
	if (r >= 0)
		r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC,
					       daemon->supervisor->config.slow_loop_ns / 1000,
					       TURN_ACCURACY_US, on_turn, daemon);
	if (r >= 0)
		r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC,
					       daemon->supervisor->config.lease_ns / 3000, 0,
					       on_lease, daemon);
	if (r >= 0 && daemon->supervisor->monitor)
		r = add_important(daemon, qos_monitor_fd(daemon->supervisor->monitor), on_monitor);
	if (r >= 0 && qos_module_fd(daemon->supervisor) >= 0)
		r = add_important(daemon, qos_module_fd(daemon->supervisor), on_module);
	if (r >= 0 && qos_extend_fd(daemon->supervisor) >= 0)
		r = add_important(daemon, qos_extend_fd(daemon->supervisor), on_extension);
	if (r >= 0 && qos_extend_timer_fd(daemon->supervisor) >= 0)
		r = add_important(daemon, qos_extend_timer_fd(daemon->supervisor), on_tick);
	if (r >= 0 && qos_network_fd(daemon->supervisor) >= 0)
		r = sd_event_add_io(event, NULL, qos_network_fd(daemon->supervisor), EPOLLIN,
				    on_network, daemon);
	if (r >= 0 && qos_extend_sandbox_fd(daemon->supervisor) >= 0) /* takes its turn */
		r = sd_event_add_io(event, NULL, qos_extend_sandbox_fd(daemon->supervisor), EPOLLIN,
				    on_sandbox, daemon);
	return r;
}

static int listen_bus(struct daemon *daemon)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/private", daemon->options.run_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = qos_bus_new(daemon->event, path, daemon->supervisor, &daemon->bus);
	if (r < 0)
		qos_log(LOG_ERR, QOS_MSG_KERNEL, NULL, NULL, "no socket for qosctl on %s: %s", path,
			strerror(-r));
	return r;
}

/* Without it all else works. */
static void listen_metrics(struct daemon *daemon)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/metrics", daemon->options.run_dir) < 0) {
		path = NULL;
		return;
	}
	r = qos_metrics_socket_new(daemon->event, path, daemon->supervisor, &daemon->metrics);
	if (r < 0)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL, "no metrics on %s: %s", path,
			strerror(-r));
}

/* What this machine lacks: `status` shows it, and the journal should too. */
static void tell_lacks(const struct qos_supervisor *supervisor)
{
	const struct qos_diag *diag = &supervisor->diag;
	const char *hint;
	char text[192];

	if (qos_threads_clock_problem(supervisor, text, sizeof(text), &hint))
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL, "%s; %s", text, hint);
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];

		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL, "%s%s%s%s%s",
			entry->file ? entry->file : "", entry->file ? ": " : "", entry->text,
			entry->hint ? "; " : "", entry->hint ? entry->hint : "");
	}
}

static int start(struct daemon *daemon)
{
	struct qos_reload_summary summary = {};
	int r;

	r = sd_event_default(&daemon->event);
	if (r >= 0)
		r = add_sources(daemon);
	if (r < 0)
		return r;
	tell_lacks(daemon->supervisor);
	raise_self(&daemon->supervisor->config);
	lock_memory();
	r = qos_supervisor_start(daemon->supervisor, &summary);
	if (r >= 0)
		r = listen_bus(daemon);
	if (r >= 0)
		r = sd_event_set_watchdog(daemon->event, 1);
	if (r < 0)
		return r;
	listen_metrics(daemon);
	qos_log(LOG_INFO, NULL, NULL, NULL,
		"qosd " QOS_VERSION ": %zu contracts in force, %zu refused, %zu invalid",
		summary.n_changed, summary.n_refused, summary.n_invalid);
	sd_notify(0, "READY=1");
	return 0;
}

static int run(struct daemon *daemon)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_close_ int lock = -1;
	int r;

	lock = take_lock(daemon->options.run_dir);
	if (lock < 0) {
		fprintf(stderr, "qosd: %s: %s\n", daemon->options.run_dir,
			lock == -EWOULDBLOCK ? "another qosd runs here; stop it first"
					     : strerror(-lock));
		return 1;
	}
	raise_limits();
	raise_early();
	r = qos_supervisor_new(&daemon->options, &diag, &daemon->supervisor);
	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	if (r >= 0)
		r = start(daemon);
	if (r >= 0)
		r = sd_event_loop(daemon->event);
	if (r < 0)
		qos_log(LOG_ERR, NULL, NULL, NULL, "cannot go on: %s", strerror(-r));
	qos_bus_free(daemon->bus);
	qos_metrics_socket_free(daemon->metrics);
	qos_supervisor_free(daemon->supervisor);
	sd_event_unref(daemon->event);
	return r < 0;
}

/* Touches nothing: another daemon may be at work. */
static int check_config(const struct qos_options *options)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_config config;
	int r;

	r = qos_supervisor_read_config(options->front, options->config_path, &diag, &config);
	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	return r < 0;
}

/* --- command line --- */

static const char usage[] =
	"usage: qosd [--config FILE] [--contracts DIR]... [--run-dir DIR] [--pin-dir DIR]\n"
	"            [--parser FILE] [--sandbox FILE] [--log-level 0..7] [--check-config]\n"
	"            [--version] [--help]\n"
	"The real-time QoS daemon; see qosd(8). qosctl(1) shows and adjusts.\n";

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"contracts", required_argument, NULL, 'C'},
	{"run-dir", required_argument, NULL, 'r'},
	{"pin-dir", required_argument, NULL, 'p'},
	{"sandbox", required_argument, NULL, 's'},
	{"log-level", required_argument, NULL, 'l'},
	{"parser", required_argument, NULL, 'P'},
	{"check-config", no_argument, NULL, 'k'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{},
};

#define EXIT_USAGE 64

/* -1: go on; else the exit code. */
static int take_option(struct daemon *daemon, int option)
{
	uint64_t level;

	switch (option) {
	case 'c':
		daemon->options.config_path = optarg;
		return -1;
	case 'C':
		if (daemon->n_paths == DIRS_MAX) {
			fprintf(stderr, "qosd: at most %d --contracts\n", DIRS_MAX);
			return EXIT_USAGE;
		}
		daemon->paths[daemon->n_paths++] = optarg;
		return -1;
	case 'r':
		daemon->options.run_dir = optarg;
		return -1;
	case 'p':
		daemon->options.pin_dir = optarg;
		return -1;
	case 's':
		daemon->options.sandbox = optarg;
		return -1;
	case 'P':
		daemon->parser_path = optarg;
		return -1;
	case 'l':
		if (qos_parse_count(optarg, 7, &level) < 0) {
			fprintf(stderr, "qosd: --log-level takes 0..7\n");
			return EXIT_USAGE;
		}
		daemon->log_level = (int)level;
		return -1;
	case 'k':
		daemon->check_config = true;
		return -1;
	case 'v':
		puts("qosd " QOS_VERSION);
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 0;
	default:
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD,
	       SIG_DFL); /* who started us may have ignored it: children could not be waited for */
}

int main(int argc, char **argv)
{
	struct daemon daemon = {.options = {.config_path = QOS_CONFIG_FILE,
					    .run_dir = "/run/qosd",
					    .pin_dir = "/sys/fs/bpf/qosd",
					    .sandbox = QOS_LIBEXEC_DIR "/qosd-sandbox",
					    .trust = true},
				.parser_path = QOS_LIBEXEC_DIR "/qosd-parse",
				.log_level = LOG_INFO};
	int option, r;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		r = take_option(&daemon, option);
		if (r >= 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "qosd: what is '%s'?\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	daemon.options.contract_paths = daemon.n_paths ? daemon.paths : qos_store_default_path;
	if (qos_parser_new(daemon.parser_path, &daemon.parser) < 0)
		return 1;
	daemon.options.front = qos_parser_front(daemon.parser);
	if (daemon.check_config) {
		r = check_config(&daemon.options);
	} else {
		qos_log_open(daemon.log_level);
		block_signals();
		r = run(&daemon);
	}
	qos_parser_free(daemon.parser);
	return r;
}
