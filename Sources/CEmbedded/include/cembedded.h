#pragma once
#include <stddef.h>

// Bytes that live in the program itself.
struct convnet_bytes {
  const unsigned char *start;
  size_t count;
};

// The compressed parts of the Fashion-MNIST subset: 0 and 1 for training, 2 for testing. data/make_fashion_mnist.py
// makes them and describes their form. Any other part is empty.
struct convnet_bytes convnet_fashion_mnist(int part);
