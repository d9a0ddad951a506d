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

// The names of ImageNet's 1000 classes, one a line, in UTF-8; data/make_imagenet_classes.py says where they come from.
struct convnet_bytes convnet_imagenet_classes(void);
