/* SPDX-License-Identifier: GPL-2.0-only */
/* The private bus at its end: who does not read keeps nobody waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "../harness/supervise.h"
#include "bus.h"

#define LONG_TEXT 40000000 /* more than a socket takes */
#define HANGS_S	  20

static struct supervised test;
static sd_event *loop;
static struct qos_bus *bus;
static char path[80];

static int setup(void **state)
{
	if (supervise(&test) < 0 || sd_event_new(&loop) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/private", test.dir);
	return qos_bus_new(loop, path, test.supervisor, &bus);
}

static int teardown(void **state)
{
	sd_event_unref(loop);
	return supervise_end(&test);
}

static sd_bus *connect_to(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sd_bus *client = NULL;

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(sd_bus_new(&client) >= 0);
	assert_true(sd_bus_set_fd(client, fd, fd) >= 0);
	assert_true(sd_bus_start(client) >= 0);
	return client;
}

static int on_answer(sd_bus_message *message, void *data, sd_bus_error *error)
{
	*(bool *)data = true;
	return 0;
}

/* Until its first answer. */
static void talk(sd_bus *client)
{
	bool answered = false;

	assert_true(sd_bus_call_method_async(client, NULL, NULL, "/org/qosd1", "org.qosd1.Manager",
					     "Report", on_answer, &answered, "ss", "list",
					     "") >= 0);
	while (!answered) {
		assert_true(sd_event_run(loop, 1000) >= 0);
		assert_true(sd_bus_process(client, NULL) >= 0);
	}
}

static void test_who_does_not_read(void **state)
{
	struct qos_history_event event = {.text = malloc(LONG_TEXT + 1)};
	sd_bus *client;

	if (geteuid() != 0)
		skip(); /* others are not served */
	client = connect_to();
	talk(client);
	memset(event.text, 'x', LONG_TEXT);
	event.text[LONG_TEXT] = '\0';
	test.supervisor->notify(test.supervisor->notify_data, &event);
	alarm(HANGS_S); /* ends the test */
	qos_bus_free(bus);
	alarm(0);
	sd_bus_close_unref(client);
	free(event.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_does_not_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
