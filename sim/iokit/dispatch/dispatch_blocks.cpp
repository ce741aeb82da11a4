// sim/iokit/dispatch/dispatch_blocks.cpp - the block forms of dispatch calls (compiled with -fblocks).
#include <Block.h>
#include <dispatch/dispatch.h>

namespace {

void run_block(void* block) { reinterpret_cast<dispatch_block_t>(block)(); }

void run_and_release_block(void* block) {
  run_block(block);
  Block_release(block);
}

}  // namespace

extern "C" {

void dispatch_async(dispatch_queue_t queue, dispatch_block_t block) {
  if (queue == nullptr || block == nullptr) return;
  dispatch_async_f(queue, Block_copy(block), run_and_release_block);
}

void dispatch_sync(dispatch_queue_t queue, dispatch_block_t block) {
  if (block != nullptr) dispatch_sync_f(queue, reinterpret_cast<void*>(block), run_block);
}

void dispatch_once(dispatch_once_t* predicate, dispatch_block_t block) {
  if (block != nullptr) dispatch_once_f(predicate, reinterpret_cast<void*>(block), run_block);
}

}  // extern "C"
