#ifndef FP8C_INTERRUPTS_H
#define FP8C_INTERRUPTS_H

/// Makes SIGINT, SIGTERM and SIGHUP remove the registered files before they end the process, and
/// lets writing past a limit or to a closed pipe give an error instead of a signal.
void fp8c_install_interrupts(void);

/// Registers a file to be removed when a signal ends the process; 0 where the table is full.
int fp8c_add_temporary(const char *path);

/// Forgets a registered file.
void fp8c_remove_temporary(const char *path);

#endif
