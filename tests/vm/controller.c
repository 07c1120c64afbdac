/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a user-level manager does with the rule of `./dev bench violations`, at a real-time priority above every
 * managed thread: the runtime of stream NAME follows what its last jobs used.
 *
 *	controller poll NAME INTERVAL_US PERCENT LO_US HI_US PHASE_US
 *							asks for statistics in each interval of the clock, so
 *							long after it began
 *	controller event NAME OBJECT PERCENT LO_US HI_US	is told of each job and overrun by a ring
 *							buffer
 *	controller log NAME OBJECT				no manager: it notes what was in force
 *
 * Prints "ready", and ends when stdin does; the log then prints one line of JSON: each job of
 * the stream whose runtime in force was another than that of the one before, as [begin of its request, runtime], in ns.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "kern/genl_dwcs.h"
#include "kern/genl_put.h"
#include "kern/genl_rules.h"

#include "bss.h"

#define PRIORITY 98
#define GRANTS	 65536 /* as controller.bpf.c has it */

struct controller {
	struct qos_genl *genl;
	const char *name;
	uint32_t stream;
	uint64_t jobs, used_ns; /* at the last look */
	uint64_t seen_ns;	/* what each job used since the one before; 0: there was none */
	uint64_t runtime_ns;
	uint64_t percent, lo_ns, hi_ns;
};

static void set(struct controller *controller, uint64_t used_ns)
{
	uint64_t wanted = used_ns * controller->percent / 100;

	wanted = wanted < controller->lo_ns ? controller->lo_ns : wanted;
	wanted = wanted > controller->hi_ns ? controller->hi_ns : wanted;
	if (wanted == controller->runtime_ns)
		return;
	if (qos_dwcs_set_runtime(controller->genl, controller->stream, wanted) == 0)
		controller->runtime_ns = wanted;
}

static int on_report(void *data, const struct qos_dwcs_report *report)
{
	struct controller *controller = data;

	if (strcmp(report->name, controller->name) != 0)
		return 0;
	controller->stream = report->id;
	if (report->stats.jobs > controller->jobs)
		controller->seen_ns = (report->stats.used_ns - controller->used_ns) /
				      (report->stats.jobs - controller->jobs);
	controller->jobs = report->stats.jobs;
	controller->used_ns = report->stats.used_ns;
	return 0;
}

static void find(struct controller *controller)
{
	const struct qos_dwcs_visit visit = {.data = controller, .report = on_report};

	qos_dwcs_dump_streams(controller->genl, &visit);
}

static int on_answer(void *data, const struct nlmsghdr *message)
{
	struct qos_dwcs_report report;
	int r = qos_dwcs_read_report(message, &report);

	return r < 0 ? r : on_report(data, &report);
}

/* Of this stream alone: a dump takes memory for all. */
static void look(struct controller *controller)
{
	struct nl_msg *message = qos_genl_message(controller->genl, QOS_DWCS_CMD_STREAM_GET);

	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_ID, controller->stream);
	controller->seen_ns = 0;
	qos_genl_call(controller->genl, message, on_answer, controller, NULL);
	if (controller->seen_ns)
		set(controller, controller->seen_ns);
}

static int on_job(void *data, void *record, size_t size)
{
	set(data, *(const uint64_t *)record);
	return 0;
}

/* One of its programs, on the stream. */
static struct bpf_object *attach(const struct controller *controller, const char *path,
				 const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program =
		object ? bpf_object__find_program_by_name(object, name) : NULL;
	struct bpf_map *rodata = object ? bpf_object__find_map_by_name(object, ".rodata") : NULL;

	if (!program || !rodata ||
	    bpf_map__set_initial_value(rodata, &controller->stream, sizeof(controller->stream)) ||
	    bpf_object__load(object) || !bpf_program__attach(program))
		exit(3);
	return object;
}

static struct ring_buffer *listen_to_jobs(struct controller *controller, const char *path)
{
	struct bpf_object *object = attach(controller, path, "job");

	if (!bpf_program__attach(bpf_object__find_program_by_name(object, "overrun")))
		exit(3);
	return ring_buffer__new(bpf_object__find_map_fd_by_name(object, "jobs"), on_job, controller,
				NULL);
}

static struct timespec of_us(uint64_t us)
{
	return (struct timespec){.tv_sec = (time_t)(us / 1000000),
				 .tv_nsec = (long)(us % 1000000 * 1000)};
}

/* On the clock's own grid, so that it stands to the jobs as the phase says, whenever it was started. */
static int timer(uint64_t interval_us, uint64_t phase_us)
{
	struct timespec now;
	struct itimerspec spec = {.it_interval = of_us(interval_us)};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	clock_gettime(CLOCK_MONOTONIC, &now);
	spec.it_value = of_us(((uint64_t)now.tv_sec + 1) * 1000000 + phase_us);
	if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		exit(4);
	return fd;
}

static int note(const struct controller *controller, const char *path)
{
	struct bpf_object *object = attach(controller, path, "grant");
	const char *globals = bss_map(object);
	const unsigned long long *n = bss_variable(object, globals, "n");
	const unsigned long long *grants = bss_variable(object, globals, "grants");
	unsigned long long last = 0;

	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	putchar('[');
	for (unsigned long long i = *n > GRANTS ? *n - GRANTS : 0; i < *n; i++) {
		const unsigned long long *grant = grants + 2 * (i & (GRANTS - 1));

		if (grant[1] != last)
			printf("%s[%llu, %llu]", last ? ", " : "", grant[0], grant[1]);
		last = grant[1];
	}
	puts("]");
	return 0;
}

static void loop(struct controller *controller, struct ring_buffer *ring, int fd)
{
	struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = fd, .events = POLLIN}};
	uint64_t times;

	while (poll(wait, 2, -1) > 0 && !wait[0].revents) {
		if (ring)
			ring_buffer__consume(ring);
		else if (read(fd, &times, sizeof(times)) == sizeof(times))
			look(controller);
	}
}

static int usage(int argc, char **argv)
{
	static const struct {
		const char *verb;
		int argc;
	} verbs[] = {{"poll", 8}, {"event", 7}, {"log", 4}};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (!strcmp(argv[1], verbs[i].verb) && argc == verbs[i].argc)
			return 0;
	}
	return 64;
}

static int control(struct controller *controller, char **argv)
{
	const struct sched_param param = {.sched_priority = PRIORITY};
	struct ring_buffer *ring = NULL;
	int fd;

	controller->percent = strtoull(argv[4], NULL, 10);
	controller->lo_ns = strtoull(argv[5], NULL, 10) * 1000;
	controller->hi_ns = strtoull(argv[6], NULL, 10) * 1000;
	if (!strcmp(argv[1], "event")) {
		ring = listen_to_jobs(controller, argv[3]);
		fd = ring ? ring_buffer__epoll_fd(ring) : -1;
	} else {
		fd = timer(strtoull(argv[3], NULL, 10), strtoull(argv[7], NULL, 10));
	}
	mallopt(M_MMAP_MAX, 0); /* memory stays, so that no look faults */
	mallopt(M_TRIM_THRESHOLD, -1);
	if (fd < 0 || mlockall(MCL_CURRENT) < 0 || sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		return 5;
	puts("ready");
	fflush(stdout);
	loop(controller, ring, fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct controller controller = {};

	if (usage(argc, argv))
		return 64;
	controller.name = argv[2];
	if (qos_dwcs_connect(&controller.genl) < 0)
		return 2;
	find(&controller);
	return strcmp(argv[1], "log") ? control(&controller, argv) : note(&controller, argv[3]);
}
