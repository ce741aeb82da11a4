// tests/driverkit/iig_test.cpp - what the generator refuses, with file and line. What it accepts is the probe dext.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Generated {
  int exit_code;
  std::string errors;
  std::string header;
  std::string source;
};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Generated generate(const std::string& name, const std::string& text) {
  const fs::path directory = fs::path(testing::TempDir()) / ("iig_" + name);
  fs::create_directories(directory);
  std::ofstream(directory / "X.iig") << text;
  const std::string command = std::string(DARTBOARD_PYTHON) + " " + DARTBOARD_IIG + " " +
                              (directory / "X.iig").string() + " --header " + (directory / "X.h").string() +
                              " --source " + (directory / "X.iig.cpp").string() + " -I " + DARTBOARD_DRIVERKIT_INCLUDE +
                              " 2> " + (directory / "errors").string();
  fs::remove(directory / "X.h");
  const int status = std::system(command.c_str());  // NOLINT: a fixed command on a fixture
  return {status == 0 ? 0 : 1, read(directory / "errors"), read(directory / "X.h"), read(directory / "X.iig.cpp")};
}

struct Refusal {
  const char* name;
  const char* text;
  const char* message;  // part of it, line included
};

class IigRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(IigRefuses, WithFileAndLine) {
  const Generated result = generate(GetParam().name, GetParam().text);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.errors.find(GetParam().message), std::string::npos) << result.errors;
  EXPECT_EQ(result.errors.find("Traceback"), std::string::npos) << result.errors;
  EXPECT_EQ(result.header, "") << "nothing half-done";
}

const Refusal kRefusals[] = {
    {"include", "\n#include <DriverKit/Missing.iig>\n", "X.iig:2: error: included file"},
    {"base", "class A : public Unknown\n{\n};\n", "X.iig:1: error: class A derives from Unknown"},
    {"bases", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject, public B { };\n",
     "X.iig:2: error: class A has more than one base"},
    {"member", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n  int field;\n};\n",
     "X.iig:4: error: cannot read 'int field'"},
    {"brace", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n", "X.iig:3: error: '{' without '}'"},
    {"semicolon", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n}\nint x;\n",
     "X.iig:4: error: expected ';'"},
    {"attribute", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n virtual void M() WRONG;\n};\n",
     "X.iig:4: error: unknown attribute 'WRONG'"},
    {"overload",
     "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\npublic:\n virtual void M(int a);\n virtual void "
     "M(char a);\n};\n",
     "X.iig:6: error: A::M is overloaded"},
    {"result", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\npublic:\n virtual int M(int a);\n};\n",
     "X.iig:5: error: A::M returns int"},
    {"override",
     "#include <DriverKit/IOService.iig>\nclass A : public IOService\n{\npublic:\n virtual kern_return_t "
     "Start(IOService * a, int b) override;\n};\n",
     "X.iig:5: error: A::Start has 2 parameters"},
    {"type_class",
     "#include <DriverKit/IOService.iig>\nclass A : public IOService\n{\npublic:\n virtual void M(OSAction * a) "
     "TYPE(Nobody::N);\n};\n",
     "X.iig:5: error: TYPE(Nobody::N): class Nobody is not known"},
    {"type_method",
     "#include <DriverKit/IOService.iig>\nclass A : public IOService\n{\npublic:\n virtual void M(OSAction * a) "
     "TYPE(IOService::N);\n};\n",
     "X.iig:5: error: TYPE(IOService::N): IOService has no method N"},
    {"condition", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n#if SOMETHING\n#endif\n};\n",
     "X.iig:4: error: a preprocessor line inside a class"},
    {"endif", "#if KERNEL\n", "X.iig:1: error: this #if has no #endif"},
    {"twice", "#include <DriverKit/OSObject.iig>\nclass A : public OSObject { };\nclass A : public OSObject { };\n",
     "X.iig:3: error: class A is already defined"},
    {"extends", "#include <DriverKit/OSObject.iig>\nclass EXTENDS(OSObject) More { };\n",
     "X.iig:2: error: EXTENDS(OSObject): that class is not defined in this file"},
    {"parameter",
     "#include <DriverKit/OSObject.iig>\nclass A : public OSObject\n{\n virtual void M(void (*f)(int));\n};\n",
     "X.iig:4: error: parameter"},
};
INSTANTIATE_TEST_SUITE_P(Table, IigRefuses, testing::ValuesIn(kRefusals),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(Iig, ArgsUseTheClassesOwnNamesWithoutDefaults) {
  const Generated result = generate("args",
                                    "#include <DriverKit/IOService.iig>\nclass A : public IOService\n{\npublic:\n"
                                    " virtual kern_return_t Stop(IOService * mine) override;\n virtual kern_return_t "
                                    "M(uint32_t a = 3, char b[4] = 0);\n};\n");
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_NE(result.header.find("#define A_Stop_Args IOService * mine\n"), std::string::npos);
  EXPECT_NE(result.header.find("#define A_M_Args uint32_t a, char b[4]\n"), std::string::npos);
  EXPECT_NE(result.header.find("M(uint32_t a = 3, char b[4] = 0, OSDispatchMethod"), std::string::npos);
  EXPECT_EQ(result.header.find("  kern_return_t Stop(IOService"), std::string::npos) << "the stub is the base's alone";
}

TEST(Iig, SameInputSameOutput) {
  const char* text =
      "#include <DriverKit/IOUserClient.iig>\nclass A : public IOUserClient { public: virtual void free() override; "
      "};\n";
  const Generated first = generate("same", text), second = generate("same", text);
  EXPECT_EQ(first.header, second.header);
  EXPECT_EQ(first.source, second.source);
}

TEST(Iig, IncludesOfInterfacesBecomeIncludesOfHeaders) {
  const Generated result = generate(
      "includes", "#include <DriverKit/OSObject.iig>\n#include <stdint.h>\nclass IIG_KERNEL Foo;\nclass KERNEL Bar;\n");
  EXPECT_NE(result.header.find("#include <DriverKit/OSObject.h>"), std::string::npos);
  EXPECT_NE(result.header.find("#include <stdint.h>"), std::string::npos);
  EXPECT_NE(result.header.find("class Bar;"), std::string::npos);
}

}  // namespace
