/* by_hand — time as a test wants it: the clocks that the code under test asks, and what waits by them, go as fast as it says, and on
 * at once where it says so. The linker puts it in their place (--wrap, in the Makefile). */
#ifndef TESTS_BY_HAND_H
#define TESTS_BY_HAND_H

#include <stdbool.h>

void clock_speed(int times);   /* 1: as it does */
void clock_pass(long seconds); /* all clocks, at once */
void clock_set(long seconds);  /* somebody puts the wall clock forward, or back: the others don't notice */
/* Wait until it is, at such a speed at least; false: it isn't by then. */
bool clock_rest_until(bool (*is)(void *arg), void *arg, int times, int seconds);

#endif
