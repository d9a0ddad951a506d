// What a thread pool needs of the processor and Swift cannot say.
#pragma once

/// Sets flush-to-zero and denormals-are-zero on the calling thread (denormals make convolution up to 100 times slower).
void ck_flush_denormals(void);

/// The calling thread's floating-point control word, to be restored after ck_flush_denormals.
unsigned long ck_float_control(void);
void ck_set_float_control(unsigned long control);

/// Tells the processor that this is a waiting loop.
void ck_pause(void);

/// Whether the calling thread is inside a thread pool's loop.
int ck_thread_is_working(void);
void ck_set_thread_is_working(int is_working);

/// Processors that this process may run on; 0 if the system does not say.
int ck_processor_affinity(void);
