// sim/macos/user_client.cpp - a scalar call as a method call like any other.
#include "sim/macos/user_client.h"

namespace dartboard::macos {

io_return::Code UserClient::scalar_method(uint32_t selector, const uint64_t* input, uint32_t input_count,
                                          uint64_t* output, uint32_t* output_count) {
  MethodCall call;
  call.scalar_input = input;
  call.scalar_input_count = input_count;
  call.scalar_output = output;
  call.scalar_output_count = *output_count;
  const io_return::Code code = external_method(selector, call);
  *output_count = call.scalar_output_count;
  return code;
}

}  // namespace dartboard::macos
