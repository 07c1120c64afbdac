// SPDX-License-Identifier: GPL-2.0-only
/*
 * A family of processes and threads that do what programs do to a scheduler, at random: run, sleep,
 * fork, start threads, take a lock that inherits priorities, execute themselves again, die.
 *
 *   churn SEED POPULATION [-m]
 *
 * -m: meddles as well, which is to set its own policy, nice value and affinity. Without it nobody
 * here ever changes what decides its scheduling, so whatever differs from the first process in the
 * end was done by somebody else. Prints "ready", then waits for a byte on stdin, and lives until it
 * is killed. The first process only reaps, and forks when there are few.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHARED_FD 9 /* survives exec */

struct shared {
	pthread_mutex_t lock; /* robust, with priority inheritance */
	atomic_int population;
	int most;
	int meddles;
};

static struct shared *shared;
static char self[4096];

static void pause_us(unsigned int us)
{
	struct timespec ts = {0, us * 1000L};

	nanosleep(&ts, NULL);
}

static void burn_us(unsigned int us)
{
	struct timespec ts;
	long long end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	end = ts.tv_sec * 1000000000LL + ts.tv_nsec + us * 1000LL;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	while (ts.tv_sec * 1000000000LL + ts.tv_nsec < end);
}

static void hold(unsigned int us)
{
	if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&shared->lock);
	burn_us(us);
	pthread_mutex_unlock(&shared->lock);
}

static void meddle(unsigned int *seed)
{
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR};
	int policy = policies[rand_r(seed) % 5];
	struct sched_param param = {0};
	cpu_set_t cpus;

	if (policy == SCHED_FIFO || policy == SCHED_RR)
		param.sched_priority = 1 + rand_r(seed) % 8;
	switch (rand_r(seed) % 3) {
	case 0:
		sched_setscheduler(0, policy, &param);
		break;
	case 1:
		setpriority(PRIO_PROCESS, 0, rand_r(seed) % 20);
		break;
	case 2:
		CPU_ZERO(&cpus);
		CPU_SET(rand_r(seed) % 2, &cpus);
		if (rand_r(seed) % 2) {
			CPU_SET(0, &cpus);
			CPU_SET(1, &cpus);
		}
		sched_setaffinity(0, sizeof(cpus), &cpus);
		break;
	}
}

static void step(unsigned int *seed)
{
	switch (rand_r(seed) % 6) {
	case 0:
	case 1:
		pause_us(rand_r(seed) % 8000);
		break;
	case 2:
		burn_us(rand_r(seed) % 8000);
		break;
	case 3:
		hold(rand_r(seed) % 1000);
		break;
	case 4:
		sched_yield();
		break;
	case 5:
		if (shared->meddles)
			meddle(seed);
		break;
	}
}

static void *short_thread(void *seed)
{
	unsigned int mine = (unsigned int)(unsigned long)seed;

	for (int i = rand_r(&mine) % 10; i >= 0; i--)
		step(&mine);
	return NULL;
}

static void start_thread(unsigned int *seed)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, short_thread, (void *)(unsigned long)rand_r(seed)))
		pthread_detach(thread);
}

static void live(unsigned int seed);

static void fork_one(unsigned int *seed)
{
	unsigned int childs = rand_r(seed);
	pid_t pid;

	if (atomic_fetch_add(&shared->population, 1) >= shared->most) {
		atomic_fetch_sub(&shared->population, 1);
		return;
	}
	pid = fork();
	if (!pid)
		live(childs);
	if (pid < 0)
		atomic_fetch_sub(&shared->population, 1);
}

/* Children are the first process's to reap. */
static void live(unsigned int seed)
{
	char number[16];

	for (;;) {
		unsigned int what = rand_r(&seed) % 40;

		if (what < 3)
			fork_one(&seed);
		else if (what < 5)
			start_thread(&seed);
		else if (what == 5)
			_exit(0);
		else if (what == 6) {
			snprintf(number, sizeof(number), "%u", rand_r(&seed));
			execl(self, "churn", number, (char *)NULL);
			_exit(1);
		} else {
			step(&seed);
		}
	}
}

static void map_shared(int fd)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

static void make_shared(int population, int meddles)
{
	pthread_mutexattr_t attr;
	int fd = memfd_create("churn", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) || dup2(fd, SHARED_FD) < 0) {
		perror("memfd");
		exit(1);
	}
	map_shared(SHARED_FD);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->lock, &attr);
	shared->most = population;
	shared->meddles = meddles;
}

static void first(unsigned int seed)
{
	char byte;

	puts("ready");
	fflush(stdout);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (read(0, &byte, 1) != 1)
		exit(1);
	for (;;) {
		while (atomic_load(&shared->population) < shared->most / 2)
			fork_one(&seed);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			atomic_fetch_sub(&shared->population, 1);
		pause_us(5000);
	}
}

int main(int argc, char **argv)
{
	unsigned int seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0 || argc < 2)
		return 64;
	self[n] = '\0';
	if (argc == 2) { /* executed again */
		map_shared(SHARED_FD);
		live(seed);
	}
	make_shared(atoi(argv[2]), argc > 3 && !strcmp(argv[3], "-m"));
	first(seed);
}
