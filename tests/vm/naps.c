/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wakes up each PERIOD_US, COUNT times, by a timer of one kind or another, and tells the largest and the
 * mean time that a wakeup came too late. For users of timers beside managed threads.
 *
 *   naps nanosleep|timerfd PERIOD_US COUNT PRIORITY     0: SCHED_OTHER, else SCHED_FIFO
 *
 * Prints {"tids": [...]}, waits for a line, and then prints {"late_max_ns": ..., "late_mean_ns": ...}.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ULL

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static struct timespec of_ns(uint64_t time)
{
	return (struct timespec){.tv_sec = (time_t)(time / SECOND),
				 .tv_nsec = (long)(time % SECOND)};
}

static void nap(int fd, uint64_t until)
{
	struct timespec at = of_ns(until);
	struct itimerspec once = {.it_value = at};
	uint64_t n;

	if (fd < 0) {
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		return;
	}
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &once, NULL) < 0 ||
	    read(fd, &n, sizeof(n)) != sizeof(n)) {
		perror("naps: timerfd");
		exit(1);
	}
}

static void wait_for_go(void)
{
	printf("{\"tids\": [%d]}\n", getpid());
	fflush(stdout);
	if (getchar() == EOF)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sched_param param = {.sched_priority = argc == 5 ? atoi(argv[4]) : 0};
	uint64_t period, count, i, at, late, most = 0, sum = 0;
	int fd = -1;

	if (argc != 5)
		return 64;
	if (strcmp(argv[1], "timerfd") == 0)
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	period = strtoull(argv[2], NULL, 10) * 1000;
	count = strtoull(argv[3], NULL, 10);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (param.sched_priority && sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		return 1;
	wait_for_go();
	for (i = 0, at = now_ns() + period; i < count; i++, at += period) {
		nap(fd, at);
		late = now_ns() - at;
		most = late > most ? late : most;
		sum += late;
	}
	printf("{\"late_max_ns\": %lu, \"late_mean_ns\": %lu}\n", most, sum / (count ? count : 1));
	return 0;
}
