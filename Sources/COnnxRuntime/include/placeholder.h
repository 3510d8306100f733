#ifndef X1
#define X1
#endif
