// SPDX-License-Identifier: GPL-2.0-only
/*
 *   bottleneck send ADDRESS BYTES NS SECONDS	a packet of BYTES each NS, unless SLACK of them still wait in its own
 *						socket: a sender that does without what does not go out. Beside them a
 *						message by TCP each 20 ms. Prints how many packets it sent.
 *   bottleneck receive SECONDS			prints "ready", and in the end for each packet: number, when it was sent,
 *					when it came, in ns
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PORT	   5004
#define SLACK	   2
#define CONTROL_NS 20000000ULL
#define PACKETS	   65536

struct stamp {
	unsigned long long number;
	unsigned long long sent_ns;
};

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void sleep_until(unsigned long long ns)
{
	struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int connected(int type, const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, type, 0), one = 1;

	inet_pton(AF_INET, address, &to.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		exit(3);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int bound(int type)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		exit(4);
	if (type == SOCK_STREAM && listen(fd, 1) < 0)
		exit(5);
	return fd;
}

/* Memory that the socket's packets hold which have not left the machine: a packet holds less than two of its size
 * and a page's quarter. */
static int waiting(int fd, size_t bytes)
{
	int held = 0;

	ioctl(fd, SIOCOUTQ, &held);
	return held / (int)(bytes + 1024);
}

static int send_all(const char *address, size_t bytes, unsigned long long period, int seconds)
{
	int udp = connected(SOCK_DGRAM, address), tcp = connected(SOCK_STREAM, address);
	unsigned long long start = now_ns(), at = start, control = start;
	char buffer[2048] = {}, message[32] = {};
	struct stamp stamp = {};

	for (; at < start + seconds * 1000000000ULL; at += period) {
		sleep_until(at);
		if (at >= control && send(tcp, message, sizeof(message), MSG_DONTWAIT))
			control = at + CONTROL_NS;
		if (waiting(udp, bytes) >= SLACK)
			continue;
		stamp.sent_ns = now_ns();
		memcpy(buffer, &stamp, sizeof(stamp));
		if (send(udp, buffer, bytes - 28, MSG_DONTWAIT) > 0)
			stamp.number++;
	}
	printf("%llu\n", stamp.number);
	return 0;
}

static int receive_all(int seconds)
{
	static struct came {
		struct stamp stamp;
		unsigned long long ns;
	} came[PACKETS];
	struct pollfd fds[] = {{bound(SOCK_DGRAM), POLLIN, 0}, {bound(SOCK_STREAM), POLLIN, 0}};
	unsigned long long end = now_ns() + seconds * 1000000000ULL;
	char buffer[65536];
	int n = 0, i;

	puts("ready");
	fflush(stdout);
	while (now_ns() < end) {
		if (poll(fds, 2, 100) <= 0)
			continue;
		if (fds[0].revents && recv(fds[0].fd, buffer, sizeof(buffer), 0) > 0 &&
		    n < PACKETS) {
			memcpy(&came[n].stamp, buffer, sizeof(came[n].stamp));
			came[n++].ns = now_ns();
		}
		if (fds[1].revents && recv(fds[1].fd, buffer, sizeof(buffer), 0) <= 0)
			fds[1].fd = accept(fds[1].fd, NULL, NULL);
	}
	for (i = 0; i < n; i++)
		printf("%llu %llu %llu\n", came[i].stamp.number, came[i].stamp.sent_ns, came[i].ns);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "send"))
		return send_all(argv[2], strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
				atoi(argv[5]));
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive_all(atoi(argv[2]));
	return 2;
}
