/* report — what a repair tells, and lists in the report beside the database. */
#ifndef IPAMCTL_REPAIR_REPORT_H
#define IPAMCTL_REPAIR_REPORT_H

struct repair;

/* What is told, and listed in the report beside the database. */
enum tell { TELL_KEPT, TELL_LOST, TELL_UNCERTAIN, TELLS };

void repair_tell(struct repair *r, enum tell how, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
