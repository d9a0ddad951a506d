#include "cembedded.h"
