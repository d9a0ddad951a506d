#include "cembedded.h"

// #embed entered C in C23; clang accepts it in every earlier mode too, but says so.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char train0[] = {
#embed "data/fashion-mnist-train-0.z"
};
static const unsigned char train1[] = {
#embed "data/fashion-mnist-train-1.z"
};
static const unsigned char test0[] = {
#embed "data/fashion-mnist-t10k-0.z"
};

static const unsigned char imagenet_classes[] = {
#embed "data/imagenet-classes.txt"
};

struct convnet_bytes convnet_imagenet_classes(void) {
  return (struct convnet_bytes){imagenet_classes, sizeof imagenet_classes};
}

struct convnet_bytes convnet_fashion_mnist(int part) {
  switch (part) {
    case 0: return (struct convnet_bytes){train0, sizeof train0};
    case 1: return (struct convnet_bytes){train1, sizeof train1};
    case 2: return (struct convnet_bytes){test0, sizeof test0};
    default: return (struct convnet_bytes){0, 0};
  }
}
