/* SPDX-License-Identifier: GPL-2.0-only */
/* Program qosd-bus: one event loop between the system bus and the daemon's private socket. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "front.h"
#include "request.h"

#define EXIT_USAGE 64

static int serve(struct qos_front *front)
{
	int r = sd_bus_open_system_with_description(&front->system, "qosd-bus");

	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(front->system, 1);
	if (r >= 0)
		r = sd_bus_attach_event(front->system, front->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = qos_front_manager_add(front);
	if (r >= 0)
		r = qos_front_objects_add(front);
	if (r >= 0)
		r = qos_front_link_start(front);
	if (r >= 0)
		r = sd_bus_request_name(front->system, QOS_FRONT_NAME, 0);
	return r < 0 ? r : sd_event_loop(front->event);
}

static int run(const char *socket)
{
	struct qos_front front = {.socket = socket, .contracts = json_object(), .state = "gone"};
	sigset_t stops;
	int r;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	r = sd_event_new(&front.event);
	if (r >= 0)
		r = sd_event_add_signal(front.event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(front.event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = serve(&front);
	if (r < 0)
		fprintf(stderr, "qosd-bus: cannot serve on the system bus: %s\n", strerror(-r));
	qos_front_requests_free(&front);
	qos_front_link_stop(&front);
	sd_bus_flush_close_unref(front.system);
	json_decref(front.contracts);
	sd_event_unref(front.event);
	return r != 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{}};
	static const char usage[] = "usage: qosd-bus [--socket PATH] [--version] [--help]\n"
				    "org.qosd1 on the system bus; see org.qosd1(5).\n";
	const char *socket = "/run/qosd/private";
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's') {
			socket = optarg;
		} else if (option == 'v') {
			puts("qosd-bus " QOS_VERSION);
			return 0;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return run(socket);
}
