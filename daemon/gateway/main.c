/* SPDX-License-Identifier: GPL-2.0-only */
/* Program qosd-bus: one event loop between the system bus and the daemon's private socket. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "request.h"

#define EXIT_USAGE 64
#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

/* sd_bus_open_system(), but no message brings descriptors: no method takes one, and those of a few calls that wait
 * would be all that this process may have. */
static int open_system(sd_bus **ret)
{
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int r = sd_bus_new(ret);

	if (r >= 0)
		r = sd_bus_set_description(*ret, "qosd-bus");
	if (r >= 0)
		r = sd_bus_set_address(*ret, address ?: SYSTEM_BUS);
	if (r >= 0)
		r = sd_bus_set_bus_client(*ret, 1);
	if (r >= 0)
		r = sd_bus_negotiate_fds(*ret, 0);
	return r < 0 ? r : sd_bus_start(*ret);
}

static int serve(struct qos_gateway *gateway)
{
	int r = open_system(&gateway->system);

	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(gateway->system, 1);
	if (r >= 0)
		r = sd_bus_attach_event(gateway->system, gateway->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = qos_gateway_manager_add(gateway);
	if (r >= 0)
		r = qos_gateway_objects_add(gateway);
	if (r >= 0)
		r = qos_gateway_link_start(gateway);
	if (r >= 0)
		r = sd_bus_request_name(gateway->system, QOS_GATEWAY_NAME, 0);
	return r < 0 ? r : sd_event_loop(gateway->event);
}

static int run(const char *socket)
{
	struct qos_gateway gateway = {
		.socket = socket, .contracts = json_object(), .state = "gone"};
	sigset_t stops;
	int r;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	r = sd_event_new(&gateway.event);
	if (r >= 0)
		r = sd_event_add_signal(gateway.event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(gateway.event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = serve(&gateway);
	if (r < 0)
		fprintf(stderr, "qosd-bus: cannot serve on the system bus: %s\n", strerror(-r));
	qos_gateway_requests_free(&gateway);
	qos_gateway_link_stop(&gateway);
	sd_bus_flush_close_unref(gateway.system);
	json_decref(gateway.contracts);
	sd_event_unref(gateway.event);
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
