// tests/iokit/c_client_test.cpp - the headers compile as C11 and the library links from C.
#include "c_client.h"

#include "world.h"

namespace dartboard::iokit {
namespace {

class CClient : public IoKitTest {};

TEST_F(CClient, FindsOpensCallsAndCloses) {
  driver->method = [](uint32_t selector, macos::MethodCall& call) {
    call.scalar_output[0] = selector == 7 ? call.scalar_input[0] + call.scalar_input[1] : 0;
    return io_return::kSuccess;
  };
  int code = -1;
  EXPECT_EQ(c_client_add("TestDriver", &code), 42u);
  EXPECT_EQ(code, KERN_SUCCESS);
  EXPECT_EQ(driver->closes, 1);
}

TEST_F(CClient, HearsThatThereIsNoSuchDriver) {
  int code = 0;
  EXPECT_EQ(c_client_add("NoDriver", &code), UINT64_MAX);
  EXPECT_EQ(code, kIOReturnNotFound);
}

}  // namespace
}  // namespace dartboard::iokit
