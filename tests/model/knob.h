/* What a model is to search, from the environment: so one compilation serves all. */
#include <stdlib.h>

static unsigned char knob(const char *name, unsigned char unless_said)
{
	const char *value = getenv(name);

	return value == NULL ? unless_said : (unsigned char)atoi(value);
}
