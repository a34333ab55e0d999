// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "policy.h"

static const char *const words[] = {
	[ACTION_STOP] = "stop",
	[ACTION_DEL] = "device_del",
	[ACTION_ACK] = "ack",
};

#define ACTIONS	((int)(sizeof(words) / sizeof(words[0])))

/* One "ID=ACTION" of @len bytes: the length of ID, or 0 if it is none; the action in *@action */
static size_t parse_one(const char *text, size_t len, enum action *action)
{
	const char *equals = memchr(text, '=', len);
	size_t rest;

	if (!equals)
		return 0;
	rest = len - (equals + 1 - text);
	for (int i = 0; i < ACTIONS; i++) {
		if (strlen(words[i]) == rest && !memcmp(words[i], equals + 1, rest)) {
			*action = i;
			return equals - text;
		}
	}
	return 0;
}

/**
 * policy_check - do the exceptions make sense?
 * @p: the policy
 *
 * Return: true if they do.
 */
bool policy_check(const struct policy *p)
{
	const char *at = p->names;
	enum action action;
	size_t len;

	while (at) {
		len = strcspn(at, ",");
		if (!parse_one(at, len, &action))
			return false;
		at = at[len] ? at + len + 1 : NULL;
	}
	return true;
}

/**
 * policy_of - what to do about a device
 * @p: the policy
 * @id: of the device, as given to QEMU's -device; a device without one is named by its QOM path
 *
 * Return: the first exception that names it, or what holds for all.
 */
enum action policy_of(const struct policy *p, const char *id)
{
	const char *at = p->names;
	enum action action;
	size_t len, name;

	while (at) {
		len = strcspn(at, ",");
		name = parse_one(at, len, &action);
		if (name && strlen(id) == name && !memcmp(at, id, name))
			return action;
		at = at[len] ? at + len + 1 : NULL;
	}
	return p->fallback;
}

/**
 * policy_is_uniform - can it be followed without knowing the devices?
 * @p: the policy
 *
 * Return: true if it can.
 */
bool policy_is_uniform(const struct policy *p)
{
	return !p->names && p->fallback != ACTION_DEL;
}
