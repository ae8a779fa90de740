import numpy as np, pytest, time, os
from streamfit.testing import run_checks
pytestmark=[pytest.mark.extras, pytest.mark.filterwarnings("default")]
def show(x, kind=None, **o):
    t=time.time()
    for r in run_checks(x, kind, **o):
        if r.status!="pass" or r.message: print(f"{r.status:6}{r.name:20}{r.message[:600]}" + (f"   <{r.waits_for}>" if r.waits_for else ""))
    print("TOOK", time.time()-t)
def test_csbdeep(published):
    m = published("csbdeep","csbdeep.internals.train")
    x=np.arange(20*4.,dtype="float32").reshape(20,4)
    show(lambda: m.DataWrapper(x, x*2, 4, length=5), "sequence")
def test_n2v(published, monkeypatch):
    monkeypatch.setattr(np, "product", np.prod, raising=False)
    published("csbdeep","csbdeep.internals.train")
    m = published("n2v","n2v.internals.N2V_DataWrapper")
    x=np.random.default_rng(0).normal(size=(20,16,16,1)).astype("float32")
    show(lambda: m.N2V_DataWrapper(x, x, 4, 5, perc_pix=1.6, shape=(8,8), value_manipulation=flat), "sequence")
def flat(patch, coords, dims, mask):
    return np.zeros(len(coords[0]),"float32")
def test_ocr(published):
    m = published("keras-ocr","keras_ocr.recognition", only=("keras_ocr/recognition.py",),hollow=("keras_ocr/tools.py",))
    class R: 
        input_shape=(None,31,200,1); 
    class T: input_shape=(0,(None,8))
    r = m.Recognizer.__new__(m.Recognizer); r.model=R; r.training_model=T; r.alphabet="0123456789abc"
    items=[(np.full((31,200,3),i,"uint8"), f"{i}") for i in range(90)]
    show(lambda src=items: r.get_batch_generator(iter(src), batch_size=8), "generator", source=items)
def test_mltu(published):
    m = published("mltu","mltu.tensorflow.dataProvider")
    data=[[f"f{i}", i] for i in range(40)]
    def read(path,label):
        i=int(path[1:])
        return (None,None) if i in (9,10,30) else (np.full((3,2),i,"float32"), label)
    show(lambda: m.DataProvider(list(data), data_preprocessors=[read], batch_size=8), "sequence")
def test_janggu(published):
    m = published("janggu","janggu.data.data", only=("janggu/data/data.py",))
    class A:
        name="x"
        def __init__(s,v): s.v=v
        def __len__(s): return len(s.v)
        def __getitem__(s,i): return s.v[i]
    B=type("B",(A,),{"name":"y"})
    show(lambda: m.JangguSequence(A(np.arange(80.).reshape(40,2)),B(np.arange(40)),batch_size=8,shuffle=True), "sequence")
def test_balanced(published):
    m = published("keras-balanced-batch-generator")
    x=np.arange(80.).reshape(40,2); y=np.eye(2)[(np.arange(40)%4==0).astype(int)]
    show(lambda: m.make_generator(x,y,8,seed=3), "generator")
def test_cutmix(published):
    m = published("cutmix-keras","cutmix_keras",)
    from keras_preprocessing.image import ImageDataGenerator
    x=np.random.default_rng(0).random((22,8,8,3)).astype("float32"); y=np.eye(2)[np.arange(22)%2]
    def flow():
        g=ImageDataGenerator().flow(x,y,batch_size=4,seed=1); g.samples=22; g.class_indices={}; return g
    show(lambda: m.CutMixImageDataGenerator(flow(),flow(),8,4))
def test_stellar_sliding(published):
    m = published("stellargraph","stellargraph.mapper.sliding", only=("stellargraph/mapper/sliding.py","stellargraph/mapper/base.py","stellargraph/core/validation.py"),hollow=("stellargraph/mapper/__init__.py",))
    show(lambda: m.SlidingFeaturesNodeSequence(np.arange(100.).reshape(2,50),window_size=3,target_distance=1,batch_size=4,sequence_iloc_slice=slice(None)), "sequence")
