// After every other part: read the data and begin.
LWD.begin();
