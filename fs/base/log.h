/* log — messages to stderr in the foreground, otherwise to syslog. Thread-safe. */
#ifndef IPAMFS_LOG_H
#define IPAMFS_LOG_H

void log_open(const char *program, int foreground);
/* priority: syslog's. */
void log_write(void *unused, int priority, const char *message);
void log_print(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
