// SPDX-License-Identifier: LGPL-2.1-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mapping.h"

/* A line of /proc/PID/maps: proc_pid_maps(5). */
struct line {
	uint64_t first;
	uint64_t end;
	uint64_t offset;
	uint64_t ino;
	dev_t dev;
	char perms[5];
	const char *path;
};

static bool parse(const char *text, struct line *line)
{
	unsigned int major, minor;
	int path = 0;

	if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &line->first, &line->end, line->perms, &line->offset, &major, &minor,
		   &line->ino, &path) != 7 || !path)
		return false;
	line->dev = makedev(major, minor);
	line->path = text + path;
	return true;
}

static bool goes_on(const struct mapping *m, const struct line *line, uint64_t address, uint64_t next)
{
	return line->first == next && line->perms[3] == 's' && line->dev == m->dev &&
	       line->ino == m->ino && line->offset == m->offset + (next - address);
}

static int begin(struct mapping *m, const struct line *line, uint64_t address)
{
	/* A file has an inode; shared anonymous memory has one, too, and cannot be leased. */
	if (line->perms[3] != 's' || !line->ino)
		return -EOPNOTSUPP;
	m->dev = line->dev;
	m->ino = line->ino;
	m->offset = line->offset + (address - line->first);
	m->readable = m->writable = true;
	m->first = line->first;
	m->end = line->end;
	m->path[0] = '\0';
	if (strlen(line->path) < sizeof(m->path))
		strcpy(m->path, line->path);
	m->path[strcspn(m->path, "\n")] = '\0';
	return 0;
}

static int find(FILE *file, uint64_t address, uint64_t length, struct mapping *m)
{
	uint64_t end = address + length, next = 0;
	struct line line;
	char *text = NULL;
	size_t size = 0;
	int ret = -EFAULT;

	while (ret && getline(&text, &size, file) > 0) {
		if (!parse(text, &line)) {
			ret = -EPROTO;
			break;
		}
		if (line.end <= address)
			continue;
		if (!next) {
			if (line.first > address)
				break;
			ret = begin(m, &line, address);
			if (ret)
				break;
			ret = -EFAULT;
		} else if (!goes_on(m, &line, address, next)) {
			ret = line.first == next ? -EOPNOTSUPP : -EFAULT;
			break;
		}
		m->readable &= line.perms[0] == 'r';
		m->writable &= line.perms[1] == 'w';
		next = line.end;
		if (next >= end)
			ret = 0;
	}
	free(text);
	return ret;
}

/**
 * mapping_find - which file is mapped in a range of addresses
 * @maps: /proc/self/maps
 * @address: first address
 * @length: bytes, not 0; the end does not overflow
 * @mapping: out
 *
 * Return: 0; -EOPNOTSUPP unless the whole range is one shared mapping of one file; -EFAULT if
 * nothing is mapped in some of it; another -errno.
 */
int mapping_find(const char *maps, uint64_t address, uint64_t length, struct mapping *mapping)
{
	FILE *file = fopen(maps, "re");
	int ret;

	if (!file)
		return -errno;
	ret = find(file, address, length, mapping);
	fclose(file);
	return ret;
}

static bool is_file(const struct mapping *m, const struct stat *st)
{
	return st->st_dev == m->dev && st->st_ino == m->ino && S_ISREG(st->st_mode);
}

/* A descriptor of that very file, or -ENOENT if the name leads elsewhere. */
static int open_name(const struct mapping *m, const char *name, int flags)
{
	struct stat st;
	int fd, ret;

	/* Looked at first, since opening some things has effects. */
	if (stat(name, &st) || !is_file(m, &st))
		return -ENOENT;
	fd = open(name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && is_file(m, &st))
		return fd;
	ret = -ENOENT;
	close(fd);
	return ret;
}

/* One of the process' own descriptors, opened anew: works without a name. */
static int open_own(const struct mapping *m, int flags)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char name[64];
	int fd = -ENOENT, ret;

	if (!dir)
		return -errno;
	while (fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%.16s", entry->d_name);
		ret = open_name(m, name, flags);
		/* What says more than that it is not there. */
		if (ret != -ENOENT)
			fd = ret;
	}
	closedir(dir);
	return fd;
}

/* The file of the mapping itself: for CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. */
static int open_mapped(const struct mapping *m, int flags)
{
	char name[80];

	snprintf(name, sizeof(name), "/proc/self/map_files/%" PRIx64 "-%" PRIx64, m->first, m->end);
	return open_name(m, name, flags);
}

/**
 * mapping_open - open the file of a mapping
 * @mapping: from mapping_find()
 * @flags: O_RDONLY or O_RDWR
 *
 * By its name; if that leads elsewhere by now (the file was unlinked or renamed, or lies in another
 * root), by an open descriptor of this process; at last by the mapping, which takes privileges.
 *
 * Return: a descriptor, close-on-exec; -ENOENT if there is no way to the file; another -errno of
 * open(2).
 */
int mapping_open(const struct mapping *mapping, int flags)
{
	int fd = open_name(mapping, mapping->path, flags), ret;

	if (fd < 0) {
		ret = open_own(mapping, flags);
		if (ret >= 0 || fd == -ENOENT)
			fd = ret;
	}
	if (fd < 0) {
		ret = open_mapped(mapping, flags);
		if (ret >= 0 || fd == -ENOENT)
			fd = ret;
	}
	return fd;
}
