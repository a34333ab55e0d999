// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

/* Where QEMU keeps devices with an id, and those without */
static const char *const places[] = { "/machine/peripheral", "/machine/peripheral-anon" };

#define VFIO_TYPE	"child<vfio-"

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = object ? json_object_object_get(object, name) : NULL;

	return value ? json_object_get_string(value) : "";
}

static void forget_device(struct machine *m, const char *name)
{
	for (size_t i = 0; i < m->nr_devices; i++)
		if (!strcmp(m->devices[i], name))
			memmove(m->devices[i], m->devices[--m->nr_devices], MACHINE_NAME);
}

/* A guest that sleeps (S3) may wake at any time: it counts as running */
static int ask_status(struct machine *m, uint64_t until_ns)
{
	struct json_object *status = NULL, *running;
	int ret;

	ret = qmp_command(&m->qmp, "query-status", NULL, until_ns, &status);
	if (ret)
		return ret;
	running = json_object_object_get(status, "running");
	m->running = (running && json_object_get_boolean(running)) || !strcmp(text_of(status, "status"), "suspended");
	json_object_put(status);
	return 0;
}

static void on_event(void *arg, const char *name, struct json_object *data)
{
	struct machine *m = arg;

	if (!strcmp(name, "STOP")) {
		m->running = false;
	} else if (!strcmp(name, "RESUME") || !strcmp(name, "WAKEUP")) {
		m->running = true;
	} else if (!strcmp(name, "DEVICE_DELETED")) {
		forget_device(m, text_of(data, "device"));
		forget_device(m, text_of(data, "path"));
	}
}

/**
 * machine_open - connect; QEMU need not answer yet
 * @m: out; stays where it is until machine_close()
 * @path: QMP socket
 *
 * Return: 0 or -errno.
 */
int machine_open(struct machine *m, const char *path)
{
	memset(m, 0, sizeof(*m));
	return qmp_connect(&m->qmp, path, on_event, m);
}

/**
 * machine_hello - first words, and whether it runs
 * @m: an open one
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0 or as qmp_command().
 */
int machine_hello(struct machine *m, uint64_t until_ns)
{
	int ret = qmp_hello(&m->qmp, until_ns);

	return ret ? ret : ask_status(m, until_ns);
}

/**
 * machine_close - end the connection
 * @m: the machine
 */
void machine_close(struct machine *m)
{
	qmp_close(&m->qmp);
}

/**
 * machine_stop - stop the guest's processors, unless they are stopped
 * @m: the machine
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0: it is stopped; 1: it was; -EBUSY: it runs on, or sleeps and may wake; or as
 * qmp_command(). After a time-out QEMU may stop later; machine_cont() undoes that too, as QEMU keeps the order of commands.
 */
int machine_stop(struct machine *m, uint64_t until_ns)
{
	int ret = qmp_take(&m->qmp, until_ns);

	if (ret)
		return ret;
	if (!m->running && !m->late)
		return 1;
	m->ours = true;
	ret = qmp_command(&m->qmp, "stop", NULL, until_ns, NULL);
	m->late = ret == -ETIMEDOUT;
	if (!ret)
		ret = ask_status(m, until_ns);
	return ret ? ret : m->running ? -EBUSY : 0;
}

/**
 * machine_cont - let the guest go on, if it was us who stopped it
 * @m: the machine
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0 or as qmp_command(). After a time-out QEMU goes on later.
 */
int machine_cont(struct machine *m, uint64_t until_ns)
{
	int ret;

	if (!m->ours)
		return 0;
	m->ours = false;
	ret = qmp_command(&m->qmp, "cont", NULL, until_ns, NULL);
	m->late = ret == -ETIMEDOUT;
	return ret;
}

static struct json_object *argument(const char *name, const char *value)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, name, json_object_new_string(value));
	return arguments;
}

static void add_device(struct machine *m, const char *place, const char *name)
{
	int n;

	if (m->nr_devices == MACHINE_DEVICES) {
		m->unlisted = true;
		return;
	}
	if (place == places[0])
		n = snprintf(m->devices[m->nr_devices], MACHINE_NAME, "%s", name);
	else
		n = snprintf(m->devices[m->nr_devices], MACHINE_NAME, "%s/%s", place, name);
	if (n < MACHINE_NAME)
		m->nr_devices++;
	else
		m->unlisted = true;
}

/**
 * machine_find_devices - which devices are passed through now
 * @m: the machine
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0 or as qmp_command().
 */
int machine_find_devices(struct machine *m, uint64_t until_ns)
{
	m->nr_devices = 0;
	m->unlisted = false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct json_object *list = NULL;
		int ret;

		ret = qmp_command(&m->qmp, "qom-list", argument("path", places[i]), until_ns, &list);
		if (ret)
			return ret;
		for (size_t n = 0; json_object_is_type(list, json_type_array) && n < json_object_array_length(list); n++) {
			struct json_object *entry = json_object_array_get_idx(list, n);

			if (!strncmp(text_of(entry, "type"), VFIO_TYPE, strlen(VFIO_TYPE)))
				add_device(m, places[i], text_of(entry, "name"));
		}
		json_object_put(list);
	}
	return 0;
}

/**
 * machine_wants - is there a device with this policy?
 * @m: the machine, its devices found
 * @p: the policy
 * @action: what is asked about
 *
 * Return: true if there is one.
 */
bool machine_wants(const struct machine *m, const struct policy *p, enum action action)
{
	for (size_t i = 0; i < m->nr_devices; i++)
		if (policy_of(p, m->devices[i]) == action)
			return true;
	return false;
}

/**
 * machine_unplug - have the guest give its devices back, and wait until they are gone
 * @m: the machine, its devices found
 * @p: says which
 * @until_ns: CLOCK_MONOTONIC
 *
 * Return: 0: all are gone; -ETIMEDOUT: the guest has not agreed in time; or as qmp_command().
 */
int machine_unplug(struct machine *m, const struct policy *p, uint64_t until_ns)
{
	char names[MACHINE_DEVICES][MACHINE_NAME];
	size_t n = m->nr_devices;
	int ret = 0;

	/* The list shrinks with each event */
	memcpy(names, m->devices, sizeof(names));
	for (size_t i = 0; i < n && !ret; i++)
		if (policy_of(p, names[i]) == ACTION_DEL)
			ret = qmp_command(&m->qmp, "device_del", argument("id", names[i]), until_ns, NULL);
	while (!ret && machine_wants(m, p, ACTION_DEL))
		ret = qmp_wait(&m->qmp, until_ns);
	return ret;
}
